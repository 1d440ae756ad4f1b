#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sweeps/familiarity.h"
#include "sweeps/figure_overlap.h"

namespace palimpsest {

/// What one run begins with: its networks' first values come from `slow` and its streams; its images are tensors by
/// now.
struct FamiliarityStart {
  std::shared_ptr<const SlowWeights> slow;
  at::Tensor familiar, novel;  // [V, I, 3, S, S] in [0, 1]: variant 0 clean, then level by level the patterns
  at::Tensor reference;        // [n, 3, S, S]; undefined where alignment.centred uses the set's own mean
  std::vector<FigureOverlap> familiar_figures, novel_figures;  // one an image; empty where there are no masks
};

FamiliarityStart start_of(const RunSpec& run, const FamiliarityConfig& config);

/// Lays the adapters and the decoder of a start file over a pack's networks (every run starts alike then).
void load_start_file(FastNetwork& network, const FamiliarityConfig& config);

}  // namespace palimpsest
