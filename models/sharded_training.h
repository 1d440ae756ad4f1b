#pragma once

#include <memory>
#include <vector>

#include "models/replicas.h"
#include "models/step_parts.h"
#include "models/training_state.h"
#include "runtime/sharded_blocks.h"
#include "runtime/step_graph.h"

namespace palimpsest {

/// Training over ranks under one strategy of sharding: the loss and its gradient summed over the world, the update, and
/// the weights back in place. The loop above knows of no strategy.
class ShardedTraining {
 public:
  struct Options {
    Strategy strategy = Strategy::kNone;
    bool within_node = false;             // shard within a node, replicate across nodes
    bool recompute = false;               // compute blocks again in the backward instead of keeping what is inside them
    at::ScalarType compute = at::kFloat;  // or kBFloat16; master weights, sums and moments are float32
    at::Device device = at::kCPU;
    std::int64_t accumulate = 1;          // parts of a batch, one after another
    AdamW::Options adamw;
    /// Makes what records steps (of one rank that keeps its weights, on one thread), and does them again from there on; empty: none are.
    MakeStepRecorder recorder = {};
  };
  ShardedTraining(Replicas&, Communicator& world, CommunicationThread&, const Options&);

  TrainingState& state() { return state_; }
  const std::vector<ShardingUnit>& units() const { return units_; }

  /// When it returns, each rank has the summed gradients of its share of the weights, or its device is about to.
  void backward(const Batch&);
  /// This rank's share of the loss.
  double loss() const;
  /// What this rank's share adds to the square of the gradient's norm: summed over the world it is that.
  double squares() const;
  /// Scales the gradients and updates.
  void update(double scale, double learning_rate);
  /// The first parameter whose gradient is not finite on this rank, in the order of units; its name, or nothing.
  std::string gradient_not_finite();

  /// While it lives the model can be evaluated, without gradients, on every rank in step (under `full` blocks are
  /// gathered for it).
  class Evaluation {
   public:
    explicit Evaluation(ShardedTraining&, BlockRunner* runner = nullptr);  // in place of the model's own
    ~Evaluation();
    Evaluation(const Evaluation&) = delete;
    Evaluation& operator=(const Evaluation&) = delete;

   private:
    ShardedTraining& training_;
    BlockRunnerScope scope_;
  };
  BlockRunner& runner() { return *runners_.front(); }
  bool evaluates_together() const { return !weights_.keeps_rows(); }  // then every rank must compute as many blocks

  /// The model with all its weights in float32, on the first rank; every rank calls it.
  SlowWeights whole_weights();

 private:
  void place_all(bool blocks);
  // What may be recorded: it takes nothing from the host.
  void compute_gradients();
  void apply_update();
  void put_factor(double scale);

  Replicas& replicas_;
  CommunicationThread& thread_;
  const Options options_;
  ShardGroups groups_;
  std::vector<ShardingUnit> units_;
  ShardedGradients gradients_;  // before the weights: it takes the shapes of tensors that they may let go
  ShardedWeights weights_;
  TrainingState state_;
  std::vector<std::unique_ptr<ShardedBlocks>> runners_;  // by thread
  StepGraph backward_graph_, update_graph_;              // in between the host decides whether to go on, and by how much to clip
  StepParts parts_;
  std::vector<std::vector<at::Tensor>> losses_;  // by part and thread
  at::Tensor squares_;                           // of each unit
  at::Tensor factor_;                            // of the gradients, where updates are recorded
};

}  // namespace palimpsest
