#pragma once

#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/communicator.h"

namespace palimpsest {

/// The gradients of all parameters as one flat row, so that a step needs one collective. A few numbers ride along: a loss, a wish to stop.
class GradientSum {
 public:
  explicit GradientSum(std::vector<at::Tensor> parameters) : parameters_(std::move(parameters)) {}

  /// Sums gradients and riders over the ranks; every rank then has the same bits. Parameters without gradient stay without (on all ranks alike).
  void all_reduce(Communicator&, std::span<float> riders);
  /// Scales the sum down to at most `largest_norm` (0: as it is), gives it back to the parameters' gradients, and returns the norm it had.
  double clip_and_hand_back(double largest_norm);

 private:
  std::vector<at::Tensor> parameters_;
  at::Tensor row_;
};

}  // namespace palimpsest
