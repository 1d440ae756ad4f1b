#pragma once

// N noise levels (the first clean), P patterns, I images, C neurons, V variants (clean, then level by level the
// patterns), E epochs. All float64.

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// Values of each metric of one epoch and image set; the trailing axes are the metric's.
using CircuitValues = std::map<std::string, at::Tensor>;

/// x [I, V, C] -> [N, P, I, C], the clean image P times at level 0.
at::Tensor levels_of(const at::Tensor& x, std::int64_t levels, std::int64_t patterns);

/// Distances and angles between the noisy and the clean responses, for the levels above 0: [N - 1] each. x [N, P, I,
/// C]; `levels` the noise levels.
CircuitValues circuit_geometry(const at::Tensor& x, const std::vector<double>& levels, bool unbiased);

/// Distance of each level from the one before, per tenth of noise, over the distance between images at that one, [N - 1]: of
/// any coordinates x.
at::Tensor circuit_increment(const at::Tensor& x, const std::vector<double>& levels);

/// The first `count` principal axes of responses pooled, [S, C] -> [C, count]; fewer where there are fewer.
at::Tensor principal_axes(const at::Tensor& pooled, std::int64_t count);

/// Rates and sparseness at each level, [N], and over all stimuli.
CircuitValues circuit_activity(const at::Tensor& x);

/// What became of the responses x since training began, `pre`: tuning by rank, sparseness, directions.
CircuitValues circuit_change(const at::Tensor& pre, const at::Tensor& x);

/// Places of the axis "rank" of a circuit of that many neurons.
std::int64_t rank_bins(std::int64_t neurons);
/// Places of the axis "index" of a histogram of change indices, and the middle of each.
constexpr std::int64_t kIndexBins = 41;
std::string index_label(std::int64_t bin);

}  // namespace palimpsest
