#include <algorithm>
#include <numeric>

#include "sweeps/packs.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kFewCells = 4096;   // each is asked for its signature
constexpr std::int64_t kFewPlaces = 1'000'000;   // of a product, each of which then has a number
constexpr std::int64_t kLooks = 8, kValuesTried = 16;

// `count` places of `of`, from the first to the last.
std::vector<std::int64_t> spread(std::int64_t count, std::int64_t of) {
  std::vector<std::int64_t> places;
  const std::int64_t here = std::min(count, of);
  for (std::int64_t i = 0; i < here; ++i) places.push_back(here == 1 ? 0 : i * (of - 1) / (here - 1));
  return places;
}

}  // namespace

WaitingRuns::WaitingRuns(const Plan& plan, RunSet waiting) : plan_(&plan), runs_(std::move(waiting)) {
  if (runs_.empty()) return;
  find_axes();
  find_groups();
}

void WaitingRuns::find_axes() {
  const Product& product = plan_->product();
  exact_ = plan_->kept().size() <= kFewCells && product.cells() <= kFewPlaces;
  for (std::size_t axis = 0; axis < product.axes(); ++axis)
    if (product.count(axis) > 1 && (exact_ || changes_signature(axis))) axes_.push_back(axis);
  block_ = axes_.empty() ? product.cells() : product.stride(axes_.back());
}

// Whether another value of the axis is another signature, at cells spread over all: what an axis changes may hang on others.
bool WaitingRuns::changes_signature(std::size_t axis) const {
  const Product& product = plan_->product();
  const KeptCells& kept = plan_->kept();
  const auto signature = [&](std::int64_t cell) { return plan_->definition().study->signature(plan_->settings_of(cell)); };
  for (const std::int64_t look : spread(kLooks, kept.size())) {
    const std::int64_t cell = kept.cell(look);
    const std::string here = signature(cell);
    for (const std::int64_t value : spread(kValuesTried, product.count(axis)))
      if (const std::int64_t there = cell + (value - product.place(cell, axis)) * product.stride(axis); kept.contains(there) && signature(there) != here) return true;
  }
  return false;
}

std::vector<std::pair<std::size_t, std::int64_t>> WaitingRuns::combinations() const {
  std::vector<std::pair<std::size_t, std::int64_t>> all;
  for (std::size_t combination = 0; combination < group_of_.size(); ++combination) {
    if (group_of_[combination] < 0) continue;
    all.emplace_back(static_cast<std::size_t>(group_of_[combination]), plan_->product().cell_with(static_cast<std::int64_t>(combination), axes_));
  }
  return all;
}

WaitingRuns::Stretch WaitingRuns::stretch_at(std::int64_t place, const RunSet::Range& range) const {
  const KeptCells& kept = plan_->kept();
  const std::int64_t runs = plan_->runs_of_cell();
  const std::int64_t cell = kept.cell(runs_.number_at(place) / runs), end = (cell / block_ + 1) * block_;
  const std::int64_t cells = end >= plan_->product().cells() ? kept.size() : kept.place(end);   // before the end of its block
  return {plan_->product().combination_of(cell, axes_), runs_.members_below(cells * runs, place, range)};
}

void WaitingRuns::find_groups() {
  group_of_.assign(static_cast<std::size_t>(plan_->product().combinations(axes_)), -1);
  std::map<std::string, std::int32_t> of_signature;
  for (const RunSet::Range& range : runs_.ranges())
    for (std::int64_t place = range.begin; place < range.end;) {
      const Stretch stretch = stretch_at(place, range);
      std::int32_t& group = group_of_[static_cast<std::size_t>(stretch.combination)];
      if (group < 0) {
        const std::int64_t first = runs_.number_at(place);
        const std::string signature = plan_->signature_of(first);
        group = of_signature.emplace(signature, static_cast<std::int32_t>(groups_.size())).first->second;
        if (group == static_cast<std::int32_t>(groups_.size())) groups_.push_back({signature, 0, first});
      }
      groups_[static_cast<std::size_t>(group)].size += stretch.runs;
      place += stretch.runs;
    }
}

std::vector<std::int64_t> WaitingRuns::next(Walk& walk, std::int64_t most) const {
  std::vector<std::int64_t> found;
  const auto& ranges = runs_.ranges();
  while (static_cast<std::int64_t>(found.size()) < most && walk.range < ranges.size()) {
    const RunSet::Range& range = ranges[walk.range];
    if (walk.place < 0) walk.place = range.begin;
    if (walk.place >= range.end) {
      ++walk.range, walk.place = -1;
      continue;
    }
    Stretch stretch = stretch_at(walk.place, range);
    if (group_of_[static_cast<std::size_t>(stretch.combination)] == static_cast<std::int32_t>(walk.group)) {
      stretch.runs = std::min(stretch.runs, most - static_cast<std::int64_t>(found.size()));
      for (std::int64_t i = 0; i < stretch.runs; ++i) found.push_back(runs_.number_at(walk.place + i));
    }
    walk.place += stretch.runs;
  }
  return found;
}

}  // namespace palimpsest
