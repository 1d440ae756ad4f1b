#pragma once

#include <memory>
#include <vector>

#include "models/gathering.h"
#include "models/objective.h"
#include "runtime/block_hook.h"
#include "runtime/crew.h"

namespace palimpsest {

/// One objective for each thread of a rank, each gathering gradients of its own (their weights are made one in memory
/// by ShardedWeights). A rank's part of a batch is split over them, as a batch is over ranks; so two threads of one
/// rank and two ranks of one thread compute the same numbers.
class Replicas {
 public:
  Replicas(const ObjectiveInfo&, const Settings&, const RandomStream& initial, Communicator& world, int threads);

  Objective& first() { return *objectives_.front(); }
  Crew& crew() { return crew_; }
  std::vector<SlowWeights*> weights();

  /// This rank's share of the loss, each thread's where it was computed; its gradients appear at the parameters. `runners`: one for each thread.
  std::vector<at::Tensor> backward(const Batch&, const std::vector<BlockRunner*>& runners);

 private:
  std::vector<std::unique_ptr<Objective>> objectives_;
  Crew crew_;
  Gathering gathering_;
};

/// Waits for what is computed on another device.
double sum_of(const std::vector<at::Tensor>& losses);

/// The part-th of so many parts of a batch. What was drawn is of the whole.
Batch part_of(const Batch& whole, std::int64_t part, std::int64_t parts);

}  // namespace palimpsest
