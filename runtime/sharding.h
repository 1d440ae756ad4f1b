#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/communication_thread.h"
#include "runtime/communicator.h"

namespace palimpsest {

/// What the ranks of a group share out among themselves, each strategy more than the one before (Rajbhandari et al.
/// 2020, arXiv 1910.02054; Zhao et al. 2023, arXiv 2304.11277). With P parameters over W ranks, in bytes a rank, of
/// float32:
///   none       16 P               weights, gradients, two moments: every rank has all
///   optimizer   8 P +  8 P / W    moments are shared out
///   gradients   4 P + 12 P / W    gradients too: those of a block go to their owners as soon as the backward has them
///   all full           16 P / W       weights too: those of a block are gathered where it is computed, and let go
/// and what is on its way: the gradients of a block or two (gradients), the weights and gradients of a block or two and
/// of what is around the blocks (full).
enum class Strategy { kNone, kOptimizer, kGradients, kFull };
Strategy strategy_named(const std::string& name);

/// Parameters that travel together: those of a block, or of what lies around the blocks of a network.
struct ShardingUnit {
  std::string name;  // "encoder.3", "encoder"
  bool is_block = false;
  std::vector<std::string> names;  // of the parameters, in the order of the tensors
  std::vector<std::vector<at::Tensor>>
      copies;  // [copy][parameter]: leaves. Several copies: threads that share weights but not gradients
};

/// The ranks among which units are shared out, and across which those that hold the same share add up their gradients.
/// Their product is the world.
struct ShardGroups {
  /// Throws InputError where nodes have different numbers of ranks.
  ShardGroups(Communicator& world, CommunicationThread&, Strategy, bool within_node);
  ~ShardGroups();  // in the thread, as whatever concerns other ranks

  Communicator& world;
  CommunicationThread& thread;
  std::unique_ptr<Communicator> shard, replica;  // to be used in the thread alone
};

}  // namespace palimpsest
