#include "runtime/block_hook.h"

#include <utility>

namespace palimpsest {
namespace {

thread_local BlockRunner* runner_of_thread = nullptr;

}  // namespace

at::Tensor run_block(const BlockId& block, const at::Tensor& x, const BlockFunction& compute) {
  return runner_of_thread ? runner_of_thread->run(block, x, compute) : compute(x);
}

BlockRunnerScope::BlockRunnerScope(BlockRunner* runner) : before_(std::exchange(runner_of_thread, runner)) {}
BlockRunnerScope::~BlockRunnerScope() { runner_of_thread = before_; }

}  // namespace palimpsest
