#include "models/objective.h"

#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {

extern const ObjectiveInfo kMaskedAutoencoder, kAutoencoder, kContrastive;

double training_flops(const Parameters& parameters, double tokens, std::int64_t depth, std::int64_t width) {
  double numbers = 0;
  for (const auto& [name, parameter] : parameters) numbers += static_cast<double>(parameter.value.numel());
  return 6 * numbers * tokens + 12 * static_cast<double>(depth) * tokens * tokens * static_cast<double>(width);
}

const std::vector<const ObjectiveInfo*>& objectives() {
  static const std::vector<const ObjectiveInfo*> list = {&kMaskedAutoencoder, &kAutoencoder, &kContrastive};
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
