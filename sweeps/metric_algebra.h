#pragma once

// What measurements of familiarity are made of. Sums go over one flat last dimension: one order of summation, whatever leads, so that a
// run's numbers do not depend on its company.

#include <string>
#include <vector>

#include <ATen/ATen.h>

namespace palimpsest {

inline at::Tensor mean_of_last(const at::Tensor& x, int dimensions) { return x.flatten(-dimensions, -1).contiguous().mean(-1); }
inline at::Tensor sum_of_last(const at::Tensor& x, int dimensions) { return x.flatten(-dimensions, -1).contiguous().sum(-1); }

/// [R, Q, L, ...] -> [R, L, ..., Q]: the order in which measurements have their axes.
inline at::Tensor read_out_last(const at::Tensor& x) { return x.movedim(1, -1).contiguous(); }

inline at::Tensor unit_length(const at::Tensor& x) { return x / x.square().sum(-1, true).sqrt().clamp_min(1e-12); }

/// a [..., A, C], b [..., B, C] -> [..., A, B]
inline at::Tensor cosines(const at::Tensor& a, const at::Tensor& b) { return at::matmul(unit_length(a), unit_length(b).transpose(-2, -1)); }

/// Correlation over the last dimension.
inline at::Tensor correlation(const at::Tensor& a, const at::Tensor& b) {
  return (unit_length(a - a.mean(-1, true)) * unit_length(b - b.mean(-1, true))).sum(-1);
}

/// Squared distances between the rows of a [..., A, C] and b [..., B, C]: [..., A, B].
inline at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b) {
  const auto square = a.square().sum(-1).unsqueeze(-1) + b.square().sum(-1).unsqueeze(-2);
  return (square - 2 * at::matmul(a, b.transpose(-2, -1))).clamp_min(0);
}

/// Maps [..., K] of attention, each summing to 1: the effective number of patches, and the share of patches with at least half the largest weight.
inline at::Tensor effective_patches(const at::Tensor& w) { return (-(w * w.clamp_min(1e-12).log()).sum(-1)).exp(); }
inline at::Tensor half_max_area(const at::Tensor& w) { return (w >= 0.5 * w.amax(-1, true)).to(at::kDouble).mean(-1); }

/// Axes of measurements.
inline const std::vector<std::string> kByNoise = {"images", "epoch", "layer", "noise", "readout"};
inline const std::vector<std::string> kByHead = {"images", "epoch", "layer", "head", "noise", "readout"};
inline const std::vector<std::string> kByLayer = {"images", "epoch", "layer", "readout"};

}  // namespace palimpsest
