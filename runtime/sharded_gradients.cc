#include "runtime/sharded_gradients.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace palimpsest {
namespace {

// In double precision the order of adding shows in no digit of a float: strategies and ranks clip by the same factor.
at::Tensor sum_of_squares(const at::Tensor& share) {
  if (!share.is_cpu()) return at::linalg_vector_norm(share, 2, {}, false, at::kDouble).square();
  const auto* values = share.const_data_ptr<float>();
  const std::int64_t n = share.numel();
  constexpr int kLanes = 8;
  double sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += static_cast<double>(values[i + lane]) * values[i + lane];
  for (; i < n; ++i) sums[0] += static_cast<double>(values[i]) * values[i];
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return at::scalar_tensor(sum, at::kDouble);
}

}  // namespace

struct ShardedGradients::Hook : torch::autograd::PostAccumulateGradHook {
  Hook(ShardedGradients& gradients, int copy, std::size_t unit, std::size_t parameter)
      : gradients(gradients), copy(copy), unit(unit), parameter(parameter) {}
  void operator()(const at::Tensor&) override { gradients.arrived(copy, unit, parameter); }

  ShardedGradients& gradients;
  const int copy;
  const std::size_t unit, parameter;
};

ShardedGradients::ShardedGradients(const std::vector<ShardingUnit>& units, ShardGroups& groups,
                                   CommunicationThread& thread, Strategy strategy)
    : groups_(groups), thread_(thread), strategy_(strategy) {
  for (const ShardingUnit& given : units) {
    const std::size_t parameters = given.names.size();
    units_.push_back({given.name,
                      ParameterRow(given.copies[0], groups.shard->world_size()),
                      given.copies,
                      {},
                      {},
                      {},
                      std::vector<bool>(parameters),
                      std::vector<bool>(parameters),
                      std::vector<std::size_t>(given.copies.size()),
                      0,
                      false,
                      false,
                      {}});
    for (std::size_t copy = 0; copy < given.copies.size(); ++copy)
      for (std::size_t i = 0; i < parameters; ++i)
        torch::autograd::impl::set_post_acc_grad_hooks(
            given.copies[copy][i], std::make_unique<Hook>(*this, static_cast<int>(copy), units_.size() - 1, i));
  }
}

ShardedGradients::~ShardedGradients() {
  for (Unit& unit : units_)
    for (auto& copy : unit.copies)
      for (at::Tensor& parameter : copy) torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
}

void ShardedGradients::begin(bool last) {
  last_ = last;
  for (Unit& unit : units_) {
    std::ranges::fill(unit.arrived, 0);
    unit.completed = 0;
    unit.in_pieces = unit.reduced = false;
  }
}

void ShardedGradients::announce(std::size_t unit, bool in_pieces) {
  const std::lock_guard lock(mutex_);
  units_[unit].in_pieces = in_pieces;
}

void ShardedGradients::arrived(int copy, std::size_t index, std::size_t parameter) {
  const std::lock_guard lock(mutex_);
  Unit& unit = units_[index];
  if (unit.copies.size() == 1) fold(unit, parameter);  // at once, so that it is held once
  if (++unit.arrived[static_cast<std::size_t>(copy)] == unit.layout.count() && !unit.in_pieces &&
      ++unit.completed == unit.copies.size())
    reduce(unit);
}

void ShardedGradients::complete(std::size_t index) {
  const std::lock_guard lock(mutex_);
  Unit& unit = units_[index];
  if (++unit.completed < unit.copies.size()) return;
  unit.completed = 0;
  reduce(unit);
}

// The sum over the copies goes into the row, beside what is there of earlier parts of the batch.
void ShardedGradients::fold(Unit& unit, std::size_t parameter) {
  at::Tensor sum;
  for (auto& copy : unit.copies) {
    at::Tensor& gradient = copy[parameter].mutable_grad();
    if (!gradient.defined()) continue;
    sum = sum.defined() ? sum.add(gradient) : gradient;
    gradient.reset();
  }
  if (!sum.defined()) return;
  if (!unit.row.defined()) unit.row = at::zeros({unit.layout.size()}, sum.options().dtype(at::kFloat));
  auto place = unit.layout.view(unit.row, parameter);
  if (unit.filled[parameter])
    place.add_(sum);
  else
    place.copy_(sum);
  unit.filled[parameter] = unit.ever[parameter] = true;
}

void ShardedGradients::reduce(Unit& unit) {
  if (unit.copies.size() > 1)
    for (std::size_t i = 0; i < unit.layout.count(); ++i) fold(unit, i);
  unit.reduced = true;
  if (!unit.row.defined()) return;
  if (!keeps_rows())
    reduce_row_and_let_go(unit);
  else if (last_)
    reduce_kept_row(unit);
}

void ShardedGradients::reduce_kept_row(Unit& unit) {
  for (std::size_t i = 0; i < unit.layout.count(); ++i)
    if (!unit.filled[i]) unit.layout.view(unit.row, i).zero_();  // of an earlier step
  const std::int64_t n = unit.layout.part_size(), begin = groups_.shard->rank() * n;
  unit.share = unit.row.slice(0, begin, begin + n);
  unit.going = thread_.post((strategy_ == Strategy::kNone ? "all_reduce " : "reduce_scatter ") + unit.name,
                            [this, row = unit.row, share = unit.share]() mutable {
                              if (groups_.shard->world_size() > 1)
                                groups_.shard->reduce_scatter(share, row, Reduction::kSum);
                              groups_.replica->all_reduce(share, Reduction::kSum);
                            });
}

void ShardedGradients::reduce_row_and_let_go(Unit& unit) {
  take_in();  // a backward that is faster than the network must not pile up rows: one travels, one fills
  unit.sum = at::empty({unit.layout.part_size()}, unit.row.options());
  unit.going = thread_.post("reduce_scatter " + unit.name, [this, row = std::move(unit.row), sum = unit.sum]() mutable {
    groups_.shard->reduce_scatter(sum, row, Reduction::kSum);
    groups_.replica->all_reduce(sum, Reduction::kSum);
  });
  on_its_way_ = &unit;
  unit.row.reset();
  std::fill(unit.filled.begin(), unit.filled.end(), false);
}

// The sum that is on its way goes into its share.
void ShardedGradients::take_in() {
  if (!on_its_way_) return;
  Unit& unit = *std::exchange(on_its_way_, nullptr);
  unit.going.wait();
  const auto sum = std::exchange(unit.sum, {});
  if (unit.share.defined())
    unit.share.add_(sum);
  else
    unit.share = sum;
}

// Units of which some parameter had no gradient.
void ShardedGradients::finish() {
  for (auto unit = units_.rbegin(); unit != units_.rend(); ++unit)
    if (!unit->reduced) reduce(*unit);
}

void ShardedGradients::wait() {
  take_in();
  for (Unit& unit : units_) unit.going.wait();
}

at::Tensor ShardedGradients::squares() const {
  std::vector<at::Tensor> sums;
  for (const Unit& unit : units_)
    if (unit.share.defined()) sums.push_back(sum_of_squares(unit.share));
  return sums.empty() ? at::Tensor() : at::stack(sums);
}

void ShardedGradients::scale(double factor) {
  for (Unit& unit : units_)
    if (unit.share.defined()) unit.share.mul_(factor);
}

void ShardedGradients::scale(const at::Tensor& factor) {
  for (Unit& unit : units_)
    if (unit.share.defined()) unit.share.mul_(factor);
}

void ShardedGradients::clear() {
  for (Unit& unit : units_) {
    unit.share.reset();
    unit.going = {};
    std::fill(unit.filled.begin(), unit.filled.end(), false);
    std::fill(unit.ever.begin(), unit.ever.end(), false);
  }
}

}  // namespace palimpsest
