#pragma once

#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/communicator.h"

namespace palimpsest {

/// The gradients of all parameters as one flat row, so that a step needs one collective. A few numbers ride along: a loss, a wish to stop.
class GradientSum {
 public:
  /// `copies`: the parameters of each copy of the model on this rank, in one order; what each has gathered is added in that order.
  explicit GradientSum(std::vector<std::vector<at::Tensor>> copies) : copies_(std::move(copies)) {}

  /// Sums gradients and riders over copies and ranks; every rank then has the same bits. Parameters without gradient stay without (on all
  /// alike). The copies' gradients are gone afterwards.
  void all_reduce(Communicator&, std::span<float> riders);
  /// Scales the sum down to at most `largest_norm` (0: as it is), makes it the gradient of the first copy, and returns the norm it had.
  double clip_and_hand_back(double largest_norm);

 private:
  std::vector<std::vector<at::Tensor>> copies_;
  std::vector<at::Tensor> with_gradient_;   // of the first copy, in the order they lie in the row
  at::Tensor row_;
};

}  // namespace palimpsest
