#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// Classes of the test features by their k nearest training features: cosine similarity s, votes exp(s / 0.07) (Wu et
/// al. 2018, "Unsupervised feature learning via non-parametric instance discrimination"). train [N, C], labels [N]
/// int64, test [M, C]; returns [M] int64.
at::Tensor nearest_neighbours(const at::Tensor& train, const at::Tensor& labels, const at::Tensor& test, std::int64_t k,
                              std::int64_t classes);

/// Wilson's 95 % interval of a share of `n`.
struct Share {
  double value = 0, low = 0, high = 0;
};
Share wilson(std::int64_t right, std::int64_t n);

/// Mean with its 95 % percentile-bootstrap interval, of 2,000 resamples of a fixed stream.
Share bootstrap_mean(const std::vector<double>& values);

}  // namespace palimpsest
