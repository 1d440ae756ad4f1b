#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// A block of a network: the unit that is sharded and recomputed.
struct BlockId {
  std::string_view network;  // "encoder", "decoder"
  std::int64_t layer = 0;
};

/// The block as a function of its input. It may be called later and more than once, so it owns what it needs; the
/// network outlives it.
using BlockFunction = std::function<at::Tensor(const at::Tensor&)>;

/// Takes charge of the blocks of a network that is trained: has their weights in place, computes them again in the
/// backward, looks at what comes out.
class BlockRunner {
 public:
  virtual ~BlockRunner() = default;
  virtual at::Tensor run(const BlockId&, const at::Tensor& x, const BlockFunction&) = 0;
};

/// What a network calls its blocks through: this thread's runner, or, where there is none, the function itself.
at::Tensor run_block(const BlockId&, const at::Tensor& x, const BlockFunction&);

/// Makes `runner` this thread's, for the scope's length.
class BlockRunnerScope {
 public:
  explicit BlockRunnerScope(BlockRunner* runner);
  ~BlockRunnerScope();
  BlockRunnerScope(const BlockRunnerScope&) = delete;
  BlockRunnerScope& operator=(const BlockRunnerScope&) = delete;

 private:
  BlockRunner* const before_;
};

}  // namespace palimpsest
