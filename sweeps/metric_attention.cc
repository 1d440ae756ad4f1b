// Where the blocks look (familiarity.md 4.3), on the patch grid itself.

#include <cmath>

#include "sweeps/metric_algebra.h"
#include "sweeps/metric_maps.h"

namespace palimpsest {
namespace {

MetricValues scope(const Seen& seen) {
  const auto w = seen.maps / seen.maps.sum(-1, true);
  return {{"attention.scope", read_out_last(mean_of_last(effective_patches(w), 2))},
          {"attention.half_max_area", read_out_last(mean_of_last(half_max_area(w), 2))}};
}

// The weights with which OpenCV's INTER_CUBIC spreads a grid over an image: [side, grid].
at::Tensor spreading(std::int64_t grid, std::int64_t side) {
  auto out = at::empty({side, grid}, at::kDouble);
  for (std::int64_t column = 0; column < grid; ++column) {
    std::vector<double> one(static_cast<std::size_t>(grid * grid));
    for (std::int64_t row = 0; row < grid; ++row) one[static_cast<std::size_t>(row * grid + column)] = 1;   // constant downwards
    const auto enlarged = enlarge_cubic(one, static_cast<int>(grid), static_cast<int>(side));
    for (std::int64_t x = 0; x < side; ++x) out[x][column] = enlarged[static_cast<std::size_t>(x)];
  }
  return out;
}

}  // namespace

// What enlarging does to products of maps is a product with G = U^T U on both sides, so that the pictures need not be made.
at::Tensor map_cosine(const at::Tensor& maps, std::int64_t grid, std::int64_t side) {
  const auto flat = maps.flatten(4, -1);   // the images and patterns of a level
  const auto over_level = [](const at::Tensor& extreme) { return extreme.unsqueeze(-1).unsqueeze(-1).unsqueeze(-1); };
  const auto low = over_level(flat.amin(-1)), high = over_level(flat.amax(-1));
  const auto normal = ((maps - low) / (high - low + 1e-8)).unflatten(-1, {grid, grid});
  const auto spread = spreading(grid, side), g = at::matmul(spread.t(), spread);
  const auto smoothed = at::matmul(at::matmul(g, normal), g);
  const auto product = [&](const at::Tensor& x, const at::Tensor& y) { return sum_of_last(x * y, 2); };
  const auto clean_normal = normal.slice(3, 0, 1).slice(4, 0, 1);
  const auto norm = product(smoothed, normal).clamp_min(0).sqrt();
  return product(smoothed, clean_normal) / (norm * norm.slice(3, 0, 1).slice(4, 0, 1)).clamp_min(1e-12);
}

namespace {

MetricValues match(const Seen& seen) {
  const auto& a = seen.maps;
  const auto L = a.size(2);
  const auto clean = a.slice(3, 0, 1).slice(4, 0, 1);

  // Each layer's map with those of the others, on the same image.
  const auto standard = unit_length(a - a.mean(-1, true)).permute({0, 1, 3, 4, 5, 2, 6}).contiguous();   // [R, Q, N, P, I, L, K]
  const auto between = at::matmul(standard, standard.transpose(-2, -1));                                 // [..., L, L]
  const auto others = (between.sum(-1) - between.diagonal(0, -2, -1)) / static_cast<double>(std::max<std::int64_t>(1, L - 1));
  const auto coherence = others.permute({0, 1, 5, 2, 3, 4});   // [R, Q, L, N, P, I]
  return {{"attention.map_cosine", read_out_last(mean_of_last(map_cosine(a, seen.grid, seen.side), 2))},
          {"attention.map_pearson", read_out_last(mean_of_last(correlation(a, clean), 2))},
          {"attention.coherence", read_out_last(mean_of_last(coherence, 2))}};
}

}  // namespace

extern const FamiliarityMetric kAttentionScope, kAttentionMatch;
const FamiliarityMetric kAttentionScope = {
    .values = {{"attention.scope", kByNoise, "patches", "effective number of patches attended to (exponential of the entropy)"},
               {"attention.half_max_area", kByNoise, "", "share of patches with at least half the largest weight"}},
    .needs = {.maps = true},
    .measure = scope};
const FamiliarityMetric kAttentionMatch = {
    .values = {{"attention.map_cosine", kByNoise, "", "cosine of the enlarged map of a noisy image with that of the clean one, each min-max normalised over its companions"},
               {"attention.map_pearson", kByNoise, "", "correlation of the map of a noisy image with that of the clean one"},
               {"attention.coherence", kByNoise, "", "mean correlation of a layer's map with the other layers' maps of the same image"}},
    .needs = {.maps = true},
    .measure = match};

}  // namespace palimpsest
