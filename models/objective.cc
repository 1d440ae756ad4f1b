#include "models/objective.h"

#include "models/image_streams.h"
#include "runtime/named.h"

namespace palimpsest {

extern const ObjectiveInfo kMaskedAutoencoder, kAutoencoder, kContrastive;

double training_flops(const Parameters& parameters, double tokens, std::int64_t depth, std::int64_t width) {
  double numbers = 0;
  for (const auto& [name, parameter] : parameters) numbers += static_cast<double>(parameter.value.numel());
  return 6 * numbers * tokens + 12 * static_cast<double>(depth) * tokens * tokens * static_cast<double>(width);
}

std::vector<RandomStream> dropout_streams(const Batch& batch) {
  return batch.training ? children(batch.streams, "dropout") : std::vector<RandomStream>{};
}

const std::vector<const ObjectiveInfo*>& objectives() {
  static const std::vector<const ObjectiveInfo*> list = {&kMaskedAutoencoder, &kAutoencoder, &kContrastive};
  return list;
}

const ObjectiveInfo& find_objective(const std::string& name) { return find_named(objectives(), name, "objective"); }

}  // namespace palimpsest
