// Where single heads look (familiarity.md 4.3): the measurements of attention, head by head.

#include <algorithm>

#include "sweeps/metric_algebra.h"
#include "sweeps/metric_maps.h"

namespace palimpsest {
namespace {

// [R, Q, L H, N, P, I] -> [R, L, H, N, Q]
at::Tensor by_head(const at::Tensor& values, const Seen& seen) {
  return read_out_last(mean_of_last(values, 2)).unflatten(1, {-1, seen.heads});
}

// Each head's map with the maps of the other layers, means over their heads, of the same image. [R, Q, L H, N, P, I]
at::Tensor coherence(const Seen& seen) {
  const auto heads = seen.head_maps.unflatten(2, {-1, seen.heads});   // [R, Q, L, H, N, P, I, K]
  const auto L = heads.size(2);
  const auto centred = [](const at::Tensor& t) { return unit_length(t - t.mean(-1, true)); };
  const auto by_image = [](const at::Tensor& t) { return t.permute({0, 1, 4, 5, 6, 2, 3, 7}).contiguous(); };   // [R, Q, N, P, I, L, H, K]
  const auto each = by_image(centred(heads)).flatten(5, 6), layers = by_image(centred(heads.mean(3, true))).squeeze(6);
  const auto between = at::matmul(each, layers.transpose(-2, -1)).unflatten(5, {L, seen.heads});   // [R, Q, N, P, I, L, H, L]
  const auto own = between.diagonal(0, 5, 7).transpose(-2, -1);                                    // [R, Q, N, P, I, L, H]
  const auto others = (between.sum(-1) - own) / static_cast<double>(std::max<std::int64_t>(1, L - 1));
  return others.permute({0, 1, 5, 6, 2, 3, 4}).flatten(2, 3);
}

MetricValues attention(const Seen& seen) {
  const auto w = seen.head_maps / seen.head_maps.sum(-1, true);
  const auto clean = seen.head_maps.slice(3, 0, 1).slice(4, 0, 1);
  return {{"attention.head_scope", by_head(effective_patches(w), seen)},
          {"attention.head_half_max_area", by_head(half_max_area(w), seen)},
          {"attention.head_map_cosine", by_head(map_cosine(seen.head_maps, seen.grid, seen.side), seen)},
          {"attention.head_map_pearson", by_head(correlation(seen.head_maps, clean), seen)},
          {"attention.head_coherence", by_head(coherence(seen), seen)}};
}

MetricValues figures(const Seen& seen) {
  const auto cover = figure_cover(seen.head_maps, seen);
  const auto of_heads = [&](const at::Tensor& values) { return values.unflatten(1, {-1, seen.heads}); };   // [R, L H, N, Q] -> [R, L, H, N, Q]
  return {{"attention.head_figure_iou", of_heads(cover.iou)},
          {"attention.head_figure_iou_chance", of_heads(cover.chance)},
          {"attention.head_figure_auc", of_heads(cover.auc)}};
}

}  // namespace

extern const FamiliarityMetric kHeadAttention, kHeadFigures;
const FamiliarityMetric kHeadAttention = {
    .values = {{"attention.head_scope", kByHead, "patches", "effective number of patches that a head attends to"},
               {"attention.head_half_max_area", kByHead, "", "share of patches with at least half of a head's largest weight"},
               {"attention.head_map_cosine", kByHead, "", "cosine of a head's enlarged map of a noisy image with that of the clean one, as attention.map_cosine"},
               {"attention.head_map_pearson", kByHead, "", "correlation of a head's map of a noisy image with that of the clean one"},
               {"attention.head_coherence", kByHead, "", "mean correlation of a head's map with the maps of the other layers (means over their heads) of the same image"}},
    .needs = {.heads = true},
    .measure = attention};
const FamiliarityMetric kHeadFigures = {
    .values = {{"attention.head_figure_iou", kByHead, "", "overlap of the bright half of a head's map with figure or ground, the larger"},
               {"attention.head_figure_iou_chance", kByHead, "", "the same for 200 random circular shifts of the figure"},
               {"attention.head_figure_auc", kByHead, "", "chance that a figure pixel's patch gets more of a head's attention than a ground pixel's"}},
    .needs = {.figures = true, .heads = true},
    .measure = figures};

}  // namespace palimpsest
