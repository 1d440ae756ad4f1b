#include "launch/kind_of_definition.h"

#include <fmt/format.h>

#include "models/pretrain.h"
#include "runtime/error.h"

namespace palimpsest {

std::string kinds_of_definition() {
  std::string out;
  for (const Study* study : all_studies()) out += study->name + ", ";
  return out + "or pretraining";
}

KindOfDefinition kind_of_definition(const std::string& name) {
  if (name == "pretraining") return {pretrain_keys(), nullptr};
  if (const Study* study = find_study(name)) return {study->keys, study};
  throw InputError(fmt::format("there is no study \"{}\". Write {}.", name, kinds_of_definition()));
}

}  // namespace palimpsest
