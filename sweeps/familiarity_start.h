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
  at::Tensor reference;        // [n, 3, S, S]; undefined where alignment.reference is 0
  std::vector<FigureOverlap> figures[2];  // familiar, novel: one an image; empty where there are no masks
  at::Tensor figure[2], reference_figure;  // [I, K], [n, K] share of each patch that lies on the figure; undefined where no read-out asks
  std::vector<Mask> masks;                // of the familiar ones, side x side; empty where there are none
};

/// The familiar (0) or novel (1) images under the noise of one epoch of training, [I, 3, S, S].
at::Tensor training_images(const RunSpec& run, const FamiliarityConfig& config, int set, const RandomStream& stream);

FamiliarityStart start_of(const RunSpec& run, const FamiliarityConfig& config);

/// Lays the adapters and the decoder of a start file over a pack's networks (every run starts alike then).
void load_start_file(FastNetwork& network, const FamiliarityConfig& config);

}  // namespace palimpsest
