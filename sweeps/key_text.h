#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "sweeps/study.h"

namespace palimpsest {

/// JSON Schema (draft 2020-12) of a definition: keys with type, range, choices, default and meaning, for editors and checks before a run.
/// With a study, of its sweeps ([sweep], [packs] and [[claim]] too); else of the keys alone.
nlohmann::json definition_schema(const KeyTable& keys, const Study* study);

/// A definition to start from: every key with its default, what it means and what it may be, as TOML that reads as it stands but for
/// required keys.
std::string commented_definition(const KeyTable& keys, const Study* study);

}  // namespace palimpsest
