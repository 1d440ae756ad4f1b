#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/block_hook.h"
#include "runtime/sharded_gradients.h"
#include "runtime/sharded_weights.h"

namespace palimpsest {

/// Runs the blocks of one copy of a network (a thread) while it is trained: a block's weights are in place when it
/// computes, the next one's are on their way, and, where it is computed again in the backward, its gradients leave as
/// soon as they are there. Where rows are not kept, a block is always computed again: what its graph would keep are the
/// very weights that are let go.
class ShardedBlocks : public BlockRunner {
 public:
  ShardedBlocks(const std::vector<ShardingUnit>&, ShardedWeights&, ShardedGradients&, bool recompute, Timeline*);
  at::Tensor run(const BlockId&, const at::Tensor& x, const BlockFunction&) override;

 private:
  at::Tensor evaluated(std::size_t place, const at::Tensor& x, const BlockFunction&);
  at::Tensor computed_twice(std::size_t place, const at::Tensor& x, const BlockFunction&);
  void before_backward(std::size_t place);
  void after_backward(std::size_t place);
  void fetch(std::size_t place);

  ShardedWeights& weights_;
  ShardedGradients& gradients_;
  const bool recompute_;
  Timeline* const timeline_;
  std::vector<std::size_t> units_;  // of the blocks, in the order of the forward: places
  std::vector<std::string> names_;
  std::map<std::string, std::size_t, std::less<>> places_;  // by name
  std::vector<int> open_;                                   // by place: forwards whose backward is still to come
  std::vector<Timeline::Clock::time_point> began_;
};

}  // namespace palimpsest
