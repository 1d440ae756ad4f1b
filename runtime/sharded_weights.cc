#include "runtime/sharded_weights.h"

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

at::Tensor row_of(const ParameterRow& layout, const std::vector<at::Tensor>& parameters) {
  auto row = at::zeros({layout.size()}, at::TensorOptions(at::kFloat).device(parameters[0].device()));
  for (std::size_t i = 0; i < parameters.size(); ++i) layout.view(row, i).copy_(parameters[i].detach());
  return row;
}

}  // namespace

ShardedWeights::ShardedWeights(const std::vector<ShardingUnit>& units, ShardGroups& groups, CommunicationThread& thread,
                               at::ScalarType compute, bool keep, at::Device device)
    : groups_(groups), thread_(thread), compute_(compute), keep_(keep) {
  for (const ShardingUnit& given : units) {
    Unit unit{given.name, ParameterRow(given.copies[0], groups.shard->world_size()), given.copies, {}, {}, {}, false};
    auto row = row_of(unit.layout, given.copies[0]).to(device);
    const std::int64_t n = unit.layout.part_size(), begin = groups.shard->rank() * n;
    unit.share = row.slice(0, begin, begin + n);
    if (!keep || compute != at::kFloat) unit.share = unit.share.clone();
    unit.row = row.to(compute);
    look_into_row(unit);
    units_.push_back(std::move(unit));
    if (!keep) let_go(units_.size() - 1);
  }
}

void ShardedWeights::look_into_row(Unit& unit) {
  for (auto& copy : unit.copies)
    for (std::size_t i = 0; i < copy.size(); ++i) copy[i].set_data(unit.layout.view(unit.row, i));
  unit.in_place = true;
}

void ShardedWeights::gather(Unit& unit) {
  if (unit.row.defined() && unit.row.is_alias_of(unit.share) && groups_.shard->world_size() == 1)
    return;  // nothing of it is elsewhere
  if (!unit.row.defined()) unit.row = at::empty({unit.layout.size()}, unit.share.options().dtype(compute_));
  auto& shard = *groups_.shard;
  unit.coming = thread_.post("all_gather " + unit.name, [&shard, row = unit.row, share = unit.share]() mutable {
    shard.all_gather(row, share.to(row.scalar_type()));
  });
}

void ShardedWeights::fetch(std::size_t unit) {
  if (!units_[unit].row.defined()) gather(units_[unit]);
}

void ShardedWeights::want(std::size_t index) {
  fetch(index);
  Unit& unit = units_[index];
  {
    const TimelineSpan span(unit.coming.ready() ? nullptr : thread_.timeline(), Timeline::Track::kCompute,
                            "wait for " + unit.name);
    unit.coming.wait();
  }
  if (!unit.in_place) look_into_row(unit);
}

void ShardedWeights::let_go(std::size_t index) {
  Unit& unit = units_[index];
  if (keep_ || !unit.row.defined()) return;
  unit.coming.wait();
  for (auto& copy : unit.copies)
    for (at::Tensor& parameter : copy)
      parameter.set_data(at::empty({0}, unit.share.options().dtype(compute_)));  // whoever uses it out of turn is told of a wrong shape
  unit.row.reset();
  unit.in_place = false;
}

void ShardedWeights::let_go_all() {
  for (std::size_t unit = 0; unit < units_.size(); ++unit) let_go(unit);
}

void ShardedWeights::spread() {
  let_go_all();
  for (Unit& unit : units_)
    if (keep_) gather(unit);
}

at::Tensor ShardedWeights::whole(std::size_t index) {
  Unit& unit = units_[index];
  unit.coming.wait();
  if (keep_ && compute_ == at::kFloat) return unit.row;
  auto row = at::empty({unit.layout.size()}, unit.share.options());
  thread_.post("all_gather " + unit.name, [&] { groups_.shard->all_gather(row, unit.share); }).wait();
  return row;
}

}  // namespace palimpsest
