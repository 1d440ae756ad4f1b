#pragma once

#include <string>

#include "sweeps/study.h"

namespace palimpsest {

/// What a definition can be of: a study by its name, or "pretraining", which has none.
struct KindOfDefinition {
  KeyTable keys;
  const Study* study;
};
KindOfDefinition kind_of_definition(const std::string& name);   // throws InputError, which tells the names there are
std::string kinds_of_definition();                              // for help texts

}  // namespace palimpsest
