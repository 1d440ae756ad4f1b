#pragma once

#include "sweeps/definition_toml.h"

namespace palimpsest {

/// One part of a claim: the fields of its own table, and those of the claim's where it has none of that name (`part` null: all of them).
/// A part with its own `trend` does not take the claim's `change`, nor the other way round.
ClaimPart read_part(const toml::table& claim, const toml::table* part, const Definition& definition, Mistakes& mistakes);

}  // namespace palimpsest
