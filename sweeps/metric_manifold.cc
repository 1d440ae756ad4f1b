// How far the noisy versions of an image lie from each other, from less noisy ones and from other images (familiarity.md 4.4).

#include <cmath>

#include "sweeps/manifold.h"
#include "sweeps/metric_algebra.h"

namespace palimpsest {

at::Tensor by_level(const at::Tensor& v, std::int64_t levels, std::int64_t patterns) {
  const auto R = v.size(0), Q = v.size(1), L = v.size(2), I = v.size(4), C = v.size(5);
  const auto clean = v.slice(3, 0, 1).unsqueeze(4).expand({R, Q, L, 1, patterns, I, C});
  return at::cat({clean, v.slice(3, 1).reshape({R, Q, L, levels - 1, patterns, I, C})}, 3);
}

MetricValues manifold(const at::Tensor& x, bool unbiased) {
  const auto R = x.size(0), Q = x.size(1), L = x.size(2), N = x.size(3), P = x.size(4), I = x.size(5), C = x.size(6);
  // Biased: the mean over q includes p itself, as published.
  const double self = unbiased && P > 1 ? static_cast<double>(P) / static_cast<double>(P - 1) : 1.0;
  const auto all = squared_distances(x.reshape({R, Q, L, N, P * I, C}), x.reshape({R, Q, L, N, P * I, C})).view({R, Q, L, N, P, I, P, I});
  const auto same = all.diagonal(0, 5, 7).movedim(-1, 4).contiguous();  // [R, Q, L, N, I, P, P]
  const auto residual = (same.mean(-1) * self).sqrt();                  // [R, Q, L, N, I, P]
  const auto to_all = all.permute({0, 1, 2, 3, 5, 4, 6, 7}).flatten(-2, -1).contiguous().sum(-1);
  const auto signal = ((to_all - same.sum(-1)).clamp_min(0) / static_cast<double>((I - 1) * P)).sqrt();

  const auto by_image = x.transpose(4, 5);  // [R, Q, L, N, I, P, C]
  const auto step = squared_distances(by_image.slice(3, 1), by_image.slice(3, 0, N - 1)).mean(-1).sqrt();  // [R, Q, L, N - 1, I, P]
  const auto clean = by_image.slice(3, 0, 1).slice(5, 0, 1);
  const auto to_clean = squared_distances(by_image.slice(3, 1), clean).squeeze(-1).sqrt();
  const auto above = [](const at::Tensor& t) { return t.slice(3, 1); };

  const auto centroid = by_image.transpose(-2, -1).contiguous().mean(-1);  // [R, Q, L, N, I, C]
  const auto spread = [&](const at::Tensor& t, std::int64_t n) {           // sqrt of the trace of the covariance over dimension -2
    const auto off = t - t.transpose(-2, -1).contiguous().mean(-1).unsqueeze(-2);
    return (sum_of_last(off.square(), 2) / static_cast<double>(unbiased && n > 1 ? n - 1 : n)).sqrt();
  };
  const auto between = spread(centroid, I).unsqueeze(-1);                  // [R, Q, L, N, 1]
  const auto moved = (centroid - centroid.slice(3, 0, 1)).square().sum(-1).sqrt();   // [R, Q, L, N, I]
  const auto within = spread(by_image, P);                                           // [R, Q, L, N, I]
  const auto over_images = [](const at::Tensor& t) { return read_out_last(t.contiguous().mean(-1)); };
  return {{"manifold.level", read_out_last(mean_of_last(step / above(signal), 2))},
          {"manifold.residual", read_out_last(mean_of_last(above(residual) / above(signal), 2))},
          {"manifold.signal", read_out_last(mean_of_last(above(signal), 2))},
          {"manifold.to_clean", read_out_last(mean_of_last(to_clean / above(signal), 2))},
          {"manifold.centroid_level", over_images(above(moved / between))},
          {"manifold.centroid_residual", over_images(above(within / between))}};
}

namespace {
MetricValues of_features(const Seen& seen) { return manifold(seen.features, seen.unbiased); }
}  // namespace

extern const FamiliarityMetric kManifold;
const FamiliarityMetric kManifold = {
    .values = {{"manifold.level", kByNoise, "", "distance to the previous noise level over the distance to other images"},
               {"manifold.residual", kByNoise, "", "scatter within a noise level over the distance to other images"},
               {"manifold.signal", kByNoise, "", "distance to other images at the same noise level"},
               {"manifold.to_clean", kByNoise, "", "distance to the clean image over the distance to other images"},
               {"manifold.centroid_level", kByNoise, "", "distance of a level's centroid to the clean one over the scatter of centroids"},
               {"manifold.centroid_residual", kByNoise, "", "scatter around a level's centroid over the scatter of centroids"}},
    .needs = {.every_manifold_epoch = true, .above_zero = true},
    .measure = of_features};

}  // namespace palimpsest
