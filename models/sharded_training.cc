#include "models/sharded_training.h"

#include <ATen/ATen.h>

#include "models/sharding_units.h"

namespace palimpsest {
namespace {

// Fresh weights are functions of the seed, but processors of different kinds may round them differently.
std::vector<ShardingUnit> units_of_rank_0(Replicas& replicas, Communicator& world) {
  auto units = sharding_units(replicas.weights());
  for (const ShardingUnit& unit : units)
    for (const at::Tensor& parameter : unit.copies[0]) {
      auto value = parameter.detach();  // shares its memory
      world.broadcast(value, 0);
    }
  return units;
}

}  // namespace

ShardedTraining::ShardedTraining(Replicas& replicas, Communicator& world, CommunicationThread& thread,
                                 const Options& options)
    : replicas_(replicas),
      thread_(thread),
      options_(options),
      groups_(world, thread, options.strategy, options.within_node),
      units_(units_of_rank_0(replicas, world)),
      gradients_(units_, groups_, thread, options.strategy),
      weights_(units_, groups_, thread, options.compute, options.strategy != Strategy::kFull, options.device),
      state_(units_, weights_, groups_, options.adamw) {
  for (int copy = 0; copy < replicas.crew().size(); ++copy)
    runners_.push_back(
        std::make_unique<ShardedBlocks>(units_, weights_, gradients_, options.recompute, thread.timeline()));
}

// What is around the blocks, or all.
void ShardedTraining::place_all(bool blocks) {
  for (std::size_t unit = 0; unit < units_.size(); ++unit)
    if (blocks || !units_[unit].is_block) weights_.fetch(unit);
  for (std::size_t unit = 0; unit < units_.size(); ++unit)
    if (blocks || !units_[unit].is_block) weights_.want(unit);
}

double ShardedTraining::backward(const Batch& batch) {
  place_all(/*blocks=*/false);
  std::vector<BlockRunner*> runners;
  for (const auto& runner : runners_) runners.push_back(runner.get());
  double loss = 0;
  for (std::int64_t part = 0; part < options_.accumulate; ++part) {
    gradients_.begin(part + 1 == options_.accumulate);
    {
      const TimelineSpan span(thread_.timeline(), Timeline::Track::kCompute, "loss and backward");
      loss += replicas_.backward(options_.accumulate == 1 ? batch : part_of(batch, part, options_.accumulate), runners);
    }
    gradients_.finish();
  }
  const TimelineSpan span(thread_.timeline(), Timeline::Track::kCompute, "wait for gradients");
  gradients_.wait();
  return loss;
}

void ShardedTraining::update(double scale, double learning_rate) {
  const TimelineSpan span(thread_.timeline(), Timeline::Track::kCompute, "update");
  if (scale != 1) gradients_.scale(scale);
  state_.update(gradients_, learning_rate);
  gradients_.clear();
  weights_.spread();
}

std::string ShardedTraining::gradient_not_finite() {
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    const at::Tensor& share = gradients_.share(unit);
    if (!share.defined()) continue;
    const auto& layout = weights_.layout(unit);
    const std::int64_t begin = groups_.shard->rank() * layout.part_size();
    for (const auto& slice : layout.slices(begin, begin + layout.part_size()))
      if (!share.slice(0, slice.in_row - begin, slice.in_row - begin + slice.length).isfinite().all().item<bool>())
        return units_[unit].names[slice.parameter];
  }
  return {};
}

ShardedTraining::Evaluation::Evaluation(ShardedTraining& training, BlockRunner* runner)
    : training_(training),
      scope_(runner                          ? runner
             : training.evaluates_together() ? &training.runner()
                                             : nullptr) {
  training.place_all(/*blocks=*/!training.evaluates_together());
}

ShardedTraining::Evaluation::~Evaluation() { training_.weights_.let_go_all(); }

SlowWeights ShardedTraining::whole_weights() {
  SlowWeights out = replicas_.first().weights();
  TensorMap values;
  for (std::size_t unit = 0; unit < units_.size(); ++unit) {
    const auto row = weights_.whole(unit);
    if (groups_.world.rank() != 0) continue;
    for (std::size_t i = 0; i < units_[unit].names.size(); ++i)
      values[units_[unit].names[i]] = weights_.layout(unit).view(row, i).to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
  }
  for (auto& [name, parameter] : out.encoder) parameter.value = values["encoder." + name];
  for (auto& [name, parameter] : out.decoder) parameter.value = values["decoder." + name];
  for (auto& [name, parameter] : out.head) parameter.value = values["head." + name];
  return out;
}

}  // namespace palimpsest
