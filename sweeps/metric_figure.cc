// Does attention find the figure? (familiarity.md 4.3)

#include <cmath>

#include "sweeps/metric_algebra.h"
#include "sweeps/metric_maps.h"

namespace palimpsest {
// Means over the images and patterns of a level; maps are min-max normalised over them.
FigureCover figure_cover(const at::Tensor& maps, const Seen& seen) {
  const auto R = maps.size(0), Q = maps.size(1), M = maps.size(2), N = maps.size(3), P = maps.size(4), I = maps.size(5), K = maps.size(6);
  const auto nothing = [&] { return at::zeros({R, M, N, Q}, at::kDouble); };
  FigureCover out{nothing(), nothing(), nothing(), nothing()};
  for (std::int64_t r = 0; r < R; ++r) {
    const auto& figures = (*seen.figures)[static_cast<std::size_t>(r)];
    if (figures.empty()) continue;   // this run has no masks: its places are not read
    for (std::int64_t q = 0; q < Q; ++q)
      for (std::int64_t m = 0; m < M; ++m)
        for (std::int64_t n = 0; n < N; ++n) {
          const auto patterns = n == 0 ? 1 : P;   // the clean images are there P times
          const auto level = maps[r][q][m][n].slice(0, 0, patterns);
          const auto low = level.min(), span = level.max() - low + 1e-8;
          const auto normal = ((level - low) / span).contiguous();  // [p, I, K]
          double iou = 0, chance = 0, auc = 0, auc_distance = 0;
          for (std::int64_t p = 0; p < patterns; ++p)
            for (std::int64_t i = 0; i < I; ++i) {
              const auto& figure = figures[static_cast<std::size_t>(i)];
              const std::span<const double> map(normal.data_ptr<double>() + (p * I + i) * K, static_cast<std::size_t>(K));
              const auto score = figure.score(enlarge_cubic(map, static_cast<int>(seen.grid), static_cast<int>(seen.side)));
              const double area = figure.area_under_curve(map, static_cast<int>(seen.grid));
              iou += score.iou, chance += score.chance, auc += area, auc_distance += std::abs(area - 0.5);
            }
          const auto count = static_cast<double>(patterns * I);
          out.iou[r][m][n][q] = iou / count, out.chance[r][m][n][q] = chance / count;
          out.auc[r][m][n][q] = auc / count, out.auc_distance[r][m][n][q] = auc_distance / count;
        }
  }
  return out;
}

namespace {

MetricValues overlap(const Seen& seen) {
  const auto cover = figure_cover(seen.maps, seen);
  return {{"attention.figure_iou", cover.iou},
          {"attention.figure_iou_chance", cover.chance},
          {"attention.figure_iou_excess", cover.iou - cover.chance},
          {"attention.figure_auc", cover.auc},
          {"attention.figure_auc_distance", cover.auc_distance}};
}

}  // namespace

extern const FamiliarityMetric kFigureOverlap;
const FamiliarityMetric kFigureOverlap = {
    .values = {{"attention.figure_iou", kByNoise, "", "overlap of the bright half of the attention map with figure or ground, the larger"},
               {"attention.figure_iou_chance", kByNoise, "", "the same for 200 random circular shifts of the figure"},
               {"attention.figure_iou_excess", kByNoise, "", "attention.figure_iou - attention.figure_iou_chance"},
               {"attention.figure_auc", kByNoise, "", "chance that a figure pixel's patch gets more attention than a ground pixel's; 0.5 knows nothing"},
               {"attention.figure_auc_distance", kByNoise, "", "distance of that chance from 0.5, image by image: figure or ground is told apart, whichever gets more"}},
    .needs = {.maps = true, .figures = true},
    .measure = overlap};

}  // namespace palimpsest
