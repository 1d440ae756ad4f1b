// How the activity of a layer is spread over its units, for clean images (familiarity.md 4.5).

#include <cmath>

#include "sweeps/familiarity_metric.h"
#include "sweeps/metric_algebra.h"

namespace palimpsest {
namespace {

// |response| to the clean images, [R, Q, L, I, C], without the `leave_out` units that vary most over the images of a set.
at::Tensor activity(const Seen& seen) {
  const auto x = seen.features.select(3, 0).select(3, 0);
  if (seen.leave_out <= 0) return x.abs();
  const auto variance = x.transpose(3, 4).contiguous().var(-1, false);   // [R, Q, L, C]
  const auto keep = std::get<1>(variance.sort(-1, true)).slice(-1, std::min(seen.leave_out, x.size(4) - 2));
  const auto order = std::get<0>(keep.sort(-1)).unsqueeze(3).expand({-1, -1, -1, x.size(3), -1});
  return x.gather(4, order).abs();
}

MetricValues sparseness(const Seen& seen) {
  const auto t = activity(seen);
  const auto C = static_cast<double>(t.size(-1));
  const auto l1 = t.sum(-1), l2 = t.square().sum(-1).sqrt();
  const auto treves = (1 - (l1 / C).square() / (l2.square() / C)) / (1 - 1 / C);
  const auto hoyer = (std::sqrt(C) - l1 / l2) / (std::sqrt(C) - 1);
  const auto off = t - t.mean(-1, true);
  const auto variance = off.square().mean(-1);
  const auto kurtosis = off.square().square().mean(-1) / variance.square() - 3;
  const auto half_max = (t >= 0.5 * t.amax(-1, true)).to(at::kDouble).sum(-1);
  const auto over_images = [](const at::Tensor& v) { return read_out_last(v.mean(-1)); };
  return {{"sparseness.treves_rolls", over_images(treves)}, {"sparseness.hoyer", over_images(hoyer)},
          {"sparseness.kurtosis", over_images(kurtosis)},   {"sparseness.half_max_count", over_images(half_max)},
          {"activity.mean", over_images(l1 / C)},           {"activity.norm", over_images(l2)}};
}

// Units sorted by activity, averaged over images, divided by the largest: at 17 ranks from the first unit to the last.
MetricValues tuning(const Seen& seen) {
  const auto sorted = std::get<0>(activity(seen).sort(-1, true));
  const auto curve = sorted.transpose(3, 4).contiguous().mean(-1);   // [R, Q, L, C]
  const auto ranks = (at::arange(kTuningRanks, at::kDouble) * (static_cast<double>(curve.size(3)) - 1) / (kTuningRanks - 1)).round().to(at::kLong);
  return {{"tuning.curve", read_out_last((curve / curve.slice(3, 0, 1)).index_select(3, ranks))}};
}

}  // namespace

extern const FamiliarityMetric kSparseness, kTuning;
const FamiliarityMetric kSparseness = {
    .values = {{"sparseness.treves_rolls", kByLayer, "", "sparseness of the clean response, 0 (all units alike) to 1 (one unit)"},
               {"sparseness.hoyer", kByLayer, "", "sparseness by the ratio of norms, 0 to 1"},
               {"sparseness.kurtosis", kByLayer, "", "excess kurtosis of the clean response over units"},
               {"sparseness.half_max_count", kByLayer, "units", "units with at least half the largest response"},
               {"activity.mean", kByLayer, "", "mean absolute response to clean images"},
               {"activity.norm", kByLayer, "", "Euclidean length of the response to clean images"}},
    .needs = {},
    .measure = sparseness};
const FamiliarityMetric kTuning = {
    .values = {{"tuning.curve", {"images", "epoch", "layer", "rank", "readout"}, "", "population tuning: sorted responses to clean images over the largest, at ranks from 0 (first unit) to 1 (last)"}},
    .needs = {},
    .measure = tuning};

}  // namespace palimpsest
