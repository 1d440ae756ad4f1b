#pragma once

// What measurements of attention over layers and over single heads share. Maps are [R, Q, M, N, P, I, K], where M are layers, or the heads of layers.

#include "sweeps/familiarity_metric.h"

namespace palimpsest {

/// Cosine of each enlarged map with that of the clean image, each min-max normalised over its companions: [R, Q, M, N, P, I].
at::Tensor map_cosine(const at::Tensor& maps, std::int64_t grid, std::int64_t side);

/// How the maps of a level cover figures, each [R, M, N, Q]; zero for runs without masks.
struct FigureCover {
  at::Tensor iou, chance, auc, auc_distance;   // the last: |auc - 0.5| of each image
};
FigureCover figure_cover(const at::Tensor& maps, const Seen&);

}  // namespace palimpsest
