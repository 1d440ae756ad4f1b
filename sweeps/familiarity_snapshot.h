#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/learning_rule.h"
#include "runtime/block_hook.h"
#include "sweeps/familiarity_training.h"
#include "sweeps/tensor_snapshot.h"

namespace palimpsest {

/// What one run of a pack has learned: everything of its own in the network, and what its learning rules carry. Random numbers need no state: they
/// are a function of seed, purpose and epoch.
void put_learned(Snapshot&, FamiliarityTraining&, std::int64_t run);
void get_learned(const std::vector<Snapshot>& runs, FamiliarityTraining&);

/// Of those, what one rule carries: of a run of the pack; of all its runs together. Throws InputError where they do not go together.
void put_rule(Snapshot&, const std::string& name, const LearningRule&, std::int64_t run);
void get_rule(const std::vector<Snapshot>& runs, const std::string& name, LearningRule&);

/// Leaves a step between two blocks, forward or backward, by throwing Interrupted where `should_stop`: a step may take longer than a stop may.
class StopBetweenBlocks : public BlockRunner {
 public:
  explicit StopBetweenBlocks(std::function<bool()> should_stop) : should_stop_(std::move(should_stop)) {}
  at::Tensor run(const BlockId&, const at::Tensor& x, const BlockFunction&) override;

 private:
  void leave_if_asked() const;
  std::function<bool()> should_stop_;
};

}  // namespace palimpsest
