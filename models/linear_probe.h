#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace palimpsest {

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
/// features [N, C], labels [N] int64.
LinearProbe fit_linear_probe(const at::Tensor& features, const at::Tensor& labels, std::int64_t classes,
                             double penalty);

}  // namespace palimpsest
