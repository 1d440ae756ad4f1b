#include "runtime/sharded_blocks.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "runtime/recomputed.h"

namespace palimpsest {

ShardedBlocks::ShardedBlocks(const std::vector<ShardingUnit>& units, ShardedWeights& weights,
                             ShardedGradients& gradients, bool recompute, Timeline* timeline)
    : weights_(weights), gradients_(gradients), recompute_(recompute || !weights.keeps_rows()), timeline_(timeline) {
  for (std::size_t unit = 0; unit < units.size(); ++unit) {
    if (!units[unit].is_block) continue;
    places_[units[unit].name] = units_.size();
    units_.push_back(unit);
    names_.push_back(units[unit].name);
  }
  open_.resize(units_.size());
  began_.resize(units_.size());
}

at::Tensor ShardedBlocks::run(const BlockId& block, const at::Tensor& x, const BlockFunction& compute) {
  const std::size_t place = places_.at(fmt::format("{}.{}", block.network, block.layer));
  const TimelineSpan span(timeline_, Timeline::Track::kCompute, "forward " + names_[place]);
  if (!at::GradMode::is_enabled()) return evaluated(place, x, compute);
  if (recompute_) return computed_twice(place, x, compute);
  weights_.want(units_[place]);
  return compute(x);
}

at::Tensor ShardedBlocks::evaluated(std::size_t place, const at::Tensor& x, const BlockFunction& compute) {
  weights_.want(units_[place]);
  fetch(place + 1);
  const auto y = compute(x);
  weights_.let_go(units_[place]);
  return y;
}

at::Tensor ShardedBlocks::computed_twice(std::size_t place, const at::Tensor& x, const BlockFunction& compute) {
  weights_.want(units_[place]);
  fetch(place + 1);
  gradients_.announce(units_[place], /*in_pieces=*/true);
  ++open_[place];
  const auto y = recomputed(
      x, compute,
      {.before = [this, place] { before_backward(place); }, .after = [this, place] { after_backward(place); }});
  if (place + 1 < units_.size()) weights_.let_go(units_[place]);  // the last one is the first of the backward
  return y;
}

void ShardedBlocks::before_backward(std::size_t place) {
  began_[place] = Timeline::Clock::now();
  weights_.want(units_[place]);
  if (place > 0) fetch(place - 1);
}

void ShardedBlocks::after_backward(std::size_t place) {
  const bool more_to_come = --open_[place] > 0;
  if (!more_to_come || !weights_.keeps_rows()) gradients_.complete(units_[place]);
  weights_.let_go(units_[place]);
  if (timeline_)
    timeline_->record(Timeline::Track::kCompute, "backward " + names_[place], began_[place], Timeline::Clock::now());
}

void ShardedBlocks::fetch(std::size_t place) {
  if (place < units_.size()) weights_.fetch(units_[place]);
}

}  // namespace palimpsest
