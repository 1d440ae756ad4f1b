// Where single heads look (familiarity.md 4.3): the measurements of attention, head by head.

#include "sweeps/familiarity_metric.h"
#include "sweeps/metric_algebra.h"

namespace palimpsest {
namespace {

// [R, Q, L H, N, P, I] -> [R, L, H, N, Q]
at::Tensor by_head(const at::Tensor& values, const Seen& seen) {
  return read_out_last(mean_of_last(values, 2)).unflatten(1, {-1, seen.heads});
}

MetricValues attention(const Seen& seen) {
  const auto w = seen.head_maps / seen.head_maps.sum(-1, true);
  const auto clean = seen.head_maps.slice(3, 0, 1).slice(4, 0, 1);
  return {{"attention.head_scope", by_head(effective_patches(w), seen)},
          {"attention.head_half_max_area", by_head(half_max_area(w), seen)},
          {"attention.head_map_pearson", by_head(correlation(seen.head_maps, clean), seen)}};
}

MetricValues figures(const Seen& seen) {
  const auto maps = seen.head_maps.contiguous();
  const auto images = maps.size(5), patches = maps.size(6), of_a_run = maps.numel() / maps.size(0) / patches;
  auto area = at::zeros({maps.size(0), of_a_run}, at::kDouble);
  for (std::int64_t r = 0; r < maps.size(0); ++r) {
    const auto& figures = (*seen.figures)[static_cast<std::size_t>(r)];
    if (figures.empty()) continue;  // this run has no masks: its places are not read
    for (std::int64_t m = 0; m < of_a_run; ++m) {
      const std::span<const double> map(maps.const_data_ptr<double>() + (r * of_a_run + m) * patches, static_cast<std::size_t>(patches));
      area[r][m] = figures[static_cast<std::size_t>(m % images)].area_under_curve(map, static_cast<int>(seen.grid));
    }
  }
  return {{"attention.head_figure_auc", by_head(area.view(maps.sizes().slice(0, 6)), seen)}};
}

}  // namespace

extern const FamiliarityMetric kHeadAttention, kHeadFigures;
const FamiliarityMetric kHeadAttention = {
    .values = {{"attention.head_scope", kByHead, "patches", "effective number of patches that a head attends to"},
               {"attention.head_half_max_area", kByHead, "", "share of patches with at least half of a head's largest weight"},
               {"attention.head_map_pearson", kByHead, "", "correlation of a head's map of a noisy image with that of the clean one"}},
    .needs = {.heads = true},
    .measure = attention};
const FamiliarityMetric kHeadFigures = {
    .values = {{"attention.head_figure_auc", kByHead, "", "chance that a figure pixel's patch gets more of a head's attention than a ground pixel's"}},
    .needs = {.figures = true, .heads = true},
    .measure = figures};

}  // namespace palimpsest
