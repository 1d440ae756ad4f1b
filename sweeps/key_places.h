#pragma once

#include <string>

#include "sweeps/definition.h"

namespace palimpsest {

/// "try.toml:3:12": where the definition, or what it includes, gives a key this value, as base value or where it is swept; the file alone where
/// neither does. For mistakes that show only when runs are planned.
std::string place_of(const Definition&, const std::string& key, const Value&);

}  // namespace palimpsest
