#pragma once

// R runs, Q read-outs, L layers, N noise levels, P patterns, V variants (1 + (N - 1) P), I images, C width, K patches. All float64: what is
// compared are small differences of long vectors.

#include <array>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/random_stream.h"
#include "sweeps/figure_overlap.h"
#include "sweeps/study.h"

namespace palimpsest {

/// What the networks of a pack say about the images of a set at one epoch.
struct Seen {
  at::Tensor features;   // [R, Q, L, N, P, I, C]; level 0 is the clean images P times
  at::Tensor maps;       // [R, Q, L, N, P, I, K]: attention to the patches, mean over heads, not renormalised
  at::Tensor head_maps;  // [R, Q, L H, N, P, I, K]: the same for each of the H heads of a layer
  at::Tensor centre;     // [R, Q, L, C]: mean response to the reference images; undefined: each side's mean over its own images
  at::Tensor reference;  // [R, Q, L, n, C]: responses to the reference images; undefined where there are none
  at::Tensor rebuilt;    // [R, V, I, 3, S, S] in [0, 1]: reconstructions of all variants
  at::Tensor clean;      // [R, I, 3, S, S] in [0, 1]
  std::array<float, 3> mean{}, sd{};   // the encoder normalises images with
  std::vector<std::vector<FigureOverlap>> const* figures = nullptr;   // [R][I]
  const std::vector<RandomStream>* probes = nullptr;                  // [R]: for first values
  bool probes_begin_alike = true;                                     // in all layers
  std::int64_t heads = 0;                                             // of a layer
  std::int64_t grid = 0, side = 0;                                    // of the maps and of the images, in one dimension
  bool unbiased = false;                                              // "manifold.unbiased"
  std::int64_t leave_out = 0;                                         // "sparseness.leave_out"
};

/// Ranks at which tuning.curve is given, evenly from the most active unit to the least.
constexpr std::int64_t kTuningRanks = 17;

/// Values by name, each [R, ...] over the axes of its MetricInfo that follow "epoch".
using MetricValues = std::map<std::string, at::Tensor>;

/// A file of measurements. A new one defines one of these, and has its name in familiarity_metric.cc.
struct FamiliarityMetric {
  std::vector<MetricInfo> values;
  struct Needs {
    bool every_manifold_epoch = false;   // else at evaluation.epochs alone
    bool maps = false, rebuilt = false, figures = false, reference = false;
    bool heads = false;                  // head_maps; taken where "attention.heads" says so
    bool familiar_only = false;
    bool above_zero = false;             // values are of the noise levels above 0
  } needs;
  MetricValues (*measure)(const Seen&);
};

const std::vector<const FamiliarityMetric*>& familiarity_metric_files();

}  // namespace palimpsest
