#pragma once

#include <functional>

#include "runtime/block_hook.h"

namespace palimpsest {

/// What happens around the second computation of a block, in the backward.
struct BackwardRim {
  std::function<void()> before, after;
};

/// compute(x) without a graph: of all it makes only the input is kept. The backward computes it again, with a graph,
/// and goes through that at once, so that the gradients of the block's weights are there when `after` is called (Chen
/// et al. 2016, arXiv 1604.06174).
at::Tensor recomputed(const at::Tensor& x, const BlockFunction& compute, const BackwardRim& rim);

}  // namespace palimpsest
