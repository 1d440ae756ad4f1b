// Does attention find the figure? (familiarity.md 4.3)

#include "sweeps/familiarity_metric.h"
#include "sweeps/metric_algebra.h"

namespace palimpsest {
namespace {

// Per map: figure_iou, its chance level, figure_auc. Means over the images and patterns of a level; maps are min-max normalised over them.
MetricValues overlap(const Seen& seen) {
  const auto& maps = seen.maps;
  const auto R = maps.size(0), Q = maps.size(1), L = maps.size(2), N = maps.size(3), P = maps.size(4), I = maps.size(5), K = maps.size(6);
  auto iou = at::zeros({R, L, N, Q}, at::kDouble), chance = at::zeros_like(iou), auc = at::zeros_like(iou);
  for (std::int64_t r = 0; r < R; ++r) {
    const auto& figures = (*seen.figures)[static_cast<std::size_t>(r)];
    if (figures.empty()) continue;   // this run has no masks: its places are not read
    for (std::int64_t q = 0; q < Q; ++q)
      for (std::int64_t l = 0; l < L; ++l)
        for (std::int64_t n = 0; n < N; ++n) {
          const auto patterns = n == 0 ? 1 : P;   // the clean images are there P times
          const auto level = maps[r][q][l][n].slice(0, 0, patterns);
          const auto low = level.min(), span = level.max() - low + 1e-8;
          const auto normal = ((level - low) / span).contiguous();  // [p, I, K]
          double sums[3] = {};
          for (std::int64_t p = 0; p < patterns; ++p)
            for (std::int64_t i = 0; i < I; ++i) {
              const auto& figure = figures[static_cast<std::size_t>(i)];
              const std::span<const double> map(normal.data_ptr<double>() + (p * I + i) * K, static_cast<std::size_t>(K));
              const auto score = figure.score(enlarge_cubic(map, static_cast<int>(seen.grid), static_cast<int>(seen.side)));
              sums[0] += score.iou, sums[1] += score.chance, sums[2] += figure.area_under_curve(map, static_cast<int>(seen.grid));
            }
          const auto count = static_cast<double>(patterns * I);
          iou[r][l][n][q] = sums[0] / count, chance[r][l][n][q] = sums[1] / count, auc[r][l][n][q] = sums[2] / count;
        }
  }
  return {{"attention.figure_iou", iou}, {"attention.figure_iou_chance", chance}, {"attention.figure_auc", auc}};
}

}  // namespace

extern const FamiliarityMetric kFigureOverlap;
const FamiliarityMetric kFigureOverlap = {
    .values = {{"attention.figure_iou", kByNoise, "", "overlap of the bright half of the attention map with figure or ground, the larger"},
               {"attention.figure_iou_chance", kByNoise, "", "the same for 200 random circular shifts of the figure"},
               {"attention.figure_auc", kByNoise, "", "chance that a figure pixel's patch gets more attention than a ground pixel's; 0.5 knows nothing"}},
    .needs = {.maps = true, .figures = true},
    .measure = overlap};

}  // namespace palimpsest
