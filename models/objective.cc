#include "models/objective.h"

#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {

extern const ObjectiveInfo kMaskedAutoencoder, kAutoencoder;

const std::vector<const ObjectiveInfo*>& objectives() {
  static const std::vector<const ObjectiveInfo*> list = {&kMaskedAutoencoder, &kAutoencoder};
  return list;
}

const ObjectiveInfo& find_objective(const std::string& name) {
  std::string known;
  for (const ObjectiveInfo* objective : objectives()) {
    if (objective->name == name) return *objective;
    known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", objective->name);
  }
  throw InputError(fmt::format("objective.name = \"{}\" is none that this version has. Write one of {}.", name, known));
}

}  // namespace palimpsest
