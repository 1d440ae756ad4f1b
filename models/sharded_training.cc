#include "models/sharded_training.h"

#include <ATen/ATen.h>

#include <numeric>

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
      state_(units_, weights_, groups_, options.adamw),
      backward_graph_(options.recorder ? options.recorder() : nullptr),
      update_graph_(options.recorder ? options.recorder() : nullptr) {
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

void ShardedTraining::backward(const Batch& batch) {
  const bool recorded = backward_graph_.records();
  const TimelineSpan span(recorded ? thread_.timeline() : nullptr, Timeline::Track::kCompute, "recorded backward");
  if (recorded)
    parts_.take_in_place(batch, options_.accumulate, replicas_.first());
  else
    parts_.take(batch, options_.accumulate);
  backward_graph_.run([this] { compute_gradients(); });
  if (!recorded) parts_.let_go();
}

void ShardedTraining::compute_gradients() {
  gradients_.clear();
  place_all(/*blocks=*/false);
  std::vector<BlockRunner*> runners;
  for (const auto& runner : runners_) runners.push_back(runner.get());
  losses_.clear();
  for (const Batch& part : parts_.all()) {
    gradients_.begin(&part == &parts_.all().back());
    {
      const TimelineSpan span(thread_.timeline(), Timeline::Track::kCompute, "loss and backward");
      losses_.push_back(replicas_.backward(part, runners));
    }
    gradients_.finish();
  }
  const TimelineSpan span(thread_.timeline(), Timeline::Track::kCompute, "wait for gradients");
  gradients_.wait();
  squares_ = groups_.replica->rank() == 0 ? gradients_.squares() : at::Tensor();
}

double ShardedTraining::loss() const {
  double sum = 0;
  for (const auto& of_threads : losses_) sum += sum_of(of_threads);
  return sum;
}

double ShardedTraining::squares() const {
  if (!squares_.defined()) return 0;
  const auto here = squares_.to(at::kCPU);
  const double* units = here.const_data_ptr<double>();
  return std::accumulate(units, units + here.numel(), 0.0);
}

void ShardedTraining::update(double scale, double learning_rate) {
  const TimelineSpan span(thread_.timeline(), Timeline::Track::kCompute, "update");
  if (update_graph_.records()) {
    put_factor(scale);
  } else {
    factor_.reset();
    if (scale != 1) gradients_.scale(scale);
  }
  state_.prepare(learning_rate);
  update_graph_.run([this] { apply_update(); });
  state_.count();
  if (!backward_graph_.records()) gradients_.clear();  // a recorded step fills them in the same place
}

void ShardedTraining::put_factor(double scale) {
  if (factor_.defined())
    factor_.fill_(scale);
  else
    factor_ = at::full({}, scale, at::TensorOptions(at::kFloat).device(options_.device));
}

void ShardedTraining::apply_update() {
  if (factor_.defined()) gradients_.scale(factor_);
  state_.apply(gradients_);
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
