#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sweeps/definition.h"
#include "sweeps/study.h"

namespace palimpsest {

/// What a definition can be of: a study by its name, or "pretraining", which has none.
struct KindOfDefinition {
  KeyTable keys;
  const Study* study;
};
KindOfDefinition kind_of_definition(const std::string& name);   // throws InputError, which tells the names there are
std::string kinds_of_definition();                              // for help texts

/// Every value of a key in a sweep, whatever the conditions: those of its axis, or the one of all runs.
std::vector<Value> values_of(const Definition&, std::string_view key);

/// The definition of a sweep, or of a pretraining. One of the other kind is refused with the command that it is for.
Definition read_sweep(const std::filesystem::path& file, std::span<const Override> overrides);
Settings read_pretraining(const std::filesystem::path& file, std::span<const Override> overrides);

}  // namespace palimpsest
