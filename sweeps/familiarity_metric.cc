#include "sweeps/familiarity_metric.h"

namespace palimpsest {

extern const FamiliarityMetric kAlignment, kCka, kAttentionScope, kAttentionMatch, kFigureOverlap, kHeadAttention, kHeadFigures, kManifold, kProbes, kReconstruction, kSparseness, kTuning;

const std::vector<const FamiliarityMetric*>& familiarity_metric_files() {
  static const std::vector<const FamiliarityMetric*> list = {&kAlignment,      &kCka,      &kManifold,       &kAttentionScope, &kAttentionMatch,
                                                             &kFigureOverlap, &kHeadAttention, &kHeadFigures, &kProbes, &kReconstruction, &kSparseness,     &kTuning};
  return list;
}

}  // namespace palimpsest
