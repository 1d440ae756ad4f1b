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

/// A converged linear read-out: softmax regression on features standardised by the training ones, in float64,
///   minimise  mean cross-entropy + penalty / 2 ||W||^2   over W [K, C] and the bias [K],
/// by L-BFGS from zero until no gradient exceeds 1e-6. The same bits each time.
struct LinearProbe {
  at::Tensor mean, sd, weight, bias;
  double loss = 0, gradient = 0;  // at the end
  std::int64_t iterations = 0;
  bool converged = false;

  at::Tensor classes_of(const at::Tensor& features) const;  // [M, C] -> [M] int64
};
LinearProbe fit_linear_probe(const at::Tensor& features, const at::Tensor& labels, std::int64_t classes,
                             double penalty);

/// Wilson's 95 % interval of a share of `n`.
struct Share {
  double value = 0, low = 0, high = 0;
};
Share wilson(std::int64_t right, std::int64_t n);

/// Mean with its 95 % percentile-bootstrap interval, of 2,000 resamples of a fixed stream.
Share bootstrap_mean(const std::vector<double>& values);

}  // namespace palimpsest
