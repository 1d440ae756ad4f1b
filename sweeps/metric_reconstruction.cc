// How well the network gives back the clean image when shown a noisy one (familiarity.md 4.6), over all samples.

#include "sweeps/familiarity_metric.h"
#include "sweeps/metric_algebra.h"

namespace palimpsest {
namespace {

MetricValues reconstruction(const Seen& seen) {
  const auto N = seen.features.size(3), P = seen.features.size(4);
  const auto off_from = [&](const at::Tensor& target) { return (seen.rebuilt - target.unsqueeze(1)).to(at::kDouble).flatten(3, -1); };   // [R, V, I, pixels]
  const auto channels = [](std::array<float, 3> values) { return at::tensor(values).view({3, 1, 1}); };
  const auto off = off_from(seen.clean), published = off_from((seen.clean - channels(seen.mean)) / channels(seen.sd));
  const auto by_level = [&](const at::Tensor& t) {                                            // [R, V, I] -> [R, N]
    std::vector<at::Tensor> levels = {t.select(1, 0).mean(-1)};
    for (std::int64_t n = 1; n < N; ++n) levels.push_back(mean_of_last(t.slice(1, 1 + (n - 1) * P, 1 + n * P), 2));
    return at::stack(levels, 1);
  };
  return {{"reconstruction.mse", by_level(off.square().mean(-1))},
          {"reconstruction.l1", by_level(off.abs().mean(-1))},
          {"reconstruction.mse_published", by_level(published.square().mean(-1))},
          {"reconstruction.l1_published", by_level(published.abs().mean(-1))}};
}

const std::vector<std::string> kAxes = {"images", "epoch", "noise"};

}  // namespace

extern const FamiliarityMetric kReconstruction;
const FamiliarityMetric kReconstruction = {
    .values = {{"reconstruction.mse", kAxes, "", "squared error of the output on noisy input against the clean image in [0, 1]"},
               {"reconstruction.l1", kAxes, "", "absolute error, likewise"},
               {"reconstruction.mse_published", kAxes, "", "squared error against the normalised image, which an output in [0, 1] cannot be, as published (a defect)"},
               {"reconstruction.l1_published", kAxes, "", "absolute error, likewise"}},
    .needs = {.rebuilt = true},
    .measure = reconstruction};

}  // namespace palimpsest
