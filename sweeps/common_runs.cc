#include "sweeps/common_runs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "sweeps/condition.h"

namespace palimpsest {
namespace {

using Places = std::vector<std::int64_t>;

/// Values of each key by number: those that make the same run have the same number.
class Numbers {
 public:
  int of(std::size_t key, const Value& value) { return known_.emplace(std::pair(key, text(value)), static_cast<int>(known_.size())).first->second; }
  std::size_t size() const { return known_.size(); }

 private:
  std::map<std::pair<std::size_t, std::string>, int> known_;
};

bool same_study(const Plan& before, const Plan& plan) { return before.definition().study->name == plan.definition().study->name; }

/// The swept keys of either plan that tell runs apart; none where they are of two studies, which have no run in common.
std::vector<std::string> keys_of(const Plan& before, const Plan& plan) {
  std::set<std::string> keys;
  if (!same_study(before, plan)) return {};
  for (const Plan* one : {&before, &plan})
    for (const std::string& key : swept_keys(one->definition()))
      if (tells_runs_apart(*one->definition().study, key)) keys.insert(key);
  return {keys.begin(), keys.end()};
}

/// What the cells of a plan hold of some keys, read from tables that are made once.
class CellValues {
 public:
  CellValues(const Plan& plan, const std::vector<std::string>& keys, Numbers& numbers) : product_(plan.product()) {
    const Definition& definition = plan.definition();
    for (std::size_t key = 0; key < keys.size(); ++key) {
      base_.push_back(numbers.of(key, definition.base.at(keys[key])));
      columns_.push_back(column_of(definition, keys[key], [&](const Value& value) { return numbers.of(key, value); }));
      if (!columns_.back().axis) columns_.back().at = {base_.back()};
    }
    for (const SweepAxis& axis : definition.grid) {
      const auto key = std::ranges::find(keys, axis.key);
      if (axis.when.empty() || key == keys.end()) continue;
      When when{static_cast<std::size_t>(key - keys.begin()), {}};
      for (const auto& [other, value] : axis.when) {
        when.conditions.push_back(column_of(definition, other, [&value = value](const Value& here) { return static_cast<int>(same_value(here, value)); }));
        if (!when.conditions.back().axis) when.conditions.back().at = {static_cast<int>(definition.base.has(other) && same_value(definition.base.at(other), value))};
      }
      whens_.push_back(std::move(when));
    }
  }

  void read(std::int64_t cell, std::vector<int>& values) const {
    values.resize(columns_.size());
    for (std::size_t key = 0; key < columns_.size(); ++key) values[key] = here(columns_[key], cell);
    for (const When& when : whens_)
      if (!std::ranges::all_of(when.conditions, [&](const Column& one) { return here(one, cell) != 0; })) values[when.key] = base_[when.key];
  }

  /// Keys that this axis sets, unless it is left open by `when`.
  std::vector<std::size_t> keys_on(std::size_t axis) const {
    std::vector<std::size_t> keys;
    for (std::size_t key = 0; key < columns_.size(); ++key)
      if (columns_[key].axis == axis) keys.push_back(key);
    return keys;
  }
  int value_at(std::size_t key, std::int64_t place) const { return columns_[key].at[static_cast<std::size_t>(place)]; }
  int base(std::size_t key) const { return base_[key]; }
  bool may_be_open(std::size_t key) const { return std::ranges::find(whens_, key, &When::key) != whens_.end(); }

 private:
  struct Column {
    std::optional<std::size_t> axis;   // none: the same in every cell, `at` has one place
    std::vector<int> at;
  };
  struct When {
    std::size_t key = 0;
    std::vector<Column> conditions;
  };

  template <class Number>
  Column column_of(const Definition& definition, const std::string& key, Number number) const {
    Column column;
    for (std::size_t axis = 0; axis < product_.axes(); ++axis) {   // a bundle is set after the grid
      const auto keys = keys_of_axis(definition, axis);
      const auto found = std::ranges::find(keys, key);
      if (found == keys.end()) continue;
      column = {axis, {}};
      for (std::int64_t place = 0; place < product_.count(axis); ++place)
        column.at.push_back(number(palimpsest::value_at(definition, axis, static_cast<std::size_t>(found - keys.begin()), static_cast<std::size_t>(place))));
    }
    return column;
  }

  int here(const Column& column, std::int64_t cell) const { return column.at[column.axis ? static_cast<std::size_t>(product_.place(cell, *column.axis)) : 0]; }

  Product product_;
  std::vector<Column> columns_;   // of each key
  std::vector<int> base_;
  std::vector<When> whens_;
};

/// The places of an axis where a cell of these values may be. One whose keys do not tell runs apart, as of paths, is left open.
class AxisPlaces {
 public:
  AxisPlaces(const CellValues& cells, std::size_t axis, std::int64_t count, std::size_t numbers) : keys_(cells.keys_on(axis)) {
    for (std::int64_t place = 0; place < count; ++place) all_.push_back(place);
    if (keys_.empty()) return;
    const auto distinct = [&](std::size_t key) {
      std::set<int> values;
      for (const std::int64_t place : all_) values.insert(cells.value_at(key, place));
      return values.size();
    };
    std::ranges::swap(keys_.front(), *std::ranges::max_element(keys_, {}, distinct));   // it leaves the fewest
    with_.resize(numbers);
    for (const std::int64_t place : all_) with_[static_cast<std::size_t>(cells.value_at(keys_.front(), place))].push_back(place);
    if (!cells.may_be_open(keys_.front())) return;
    Places& open = with_[static_cast<std::size_t>(cells.base(keys_.front()))];
    if (std::ranges::find(open, 0) == open.end()) open.push_back(0);
  }

  const Places& with(const std::vector<int>& values) const { return keys_.empty() ? all_ : with_[static_cast<std::size_t>(values[keys_.front()])]; }

 private:
  std::vector<std::size_t> keys_;
  Places all_;
  std::vector<Places> with_;   // by number of the first key's value
};

/// Finds the cells of a plan that hold some values.
class CellFinder {
 public:
  CellFinder(const Plan& plan, const CellValues& cells, std::size_t numbers) : plan_(plan), cells_(cells) {
    for (std::size_t axis = 0; axis < plan.product().axes(); ++axis) axes_.emplace_back(cells, axis, plan.product().count(axis), numbers);
  }

  template <class Visit>
  void for_each(const std::vector<int>& values, Visit visit) {
    look_on(0, 0, values, visit);
  }

 private:
  template <class Visit>
  void look_on(std::size_t axis, std::int64_t cell, const std::vector<int>& values, Visit& visit) {
    if (axis < axes_.size()) {
      for (const std::int64_t place : axes_[axis].with(values)) look_on(axis + 1, cell + place * plan_.product().stride(axis), values, visit);
      return;
    }
    if (!plan_.kept().contains(cell)) return;
    cells_.read(cell, found_);
    if (found_ == values) visit(cell);
  }

  const Plan& plan_;
  const CellValues& cells_;
  std::vector<AxisPlaces> axes_;
  std::vector<int> found_;
};

/// In which image sets two cells read the same, told by what they read.
class CommonSets {
 public:
  CommonSets(const Plan& before, const Plan& plan) : before_(before), plan_(plan), sets_(std::min(before.definition().image_sets, plan.definition().image_sets)) {}

  const std::vector<bool>& of(std::size_t inputs_before, std::size_t inputs) {
    const auto [known, is_new] = known_.try_emplace({inputs_before, inputs});
    if (is_new)
      for (std::int64_t set = 0; set < sets_; ++set)
        known->second.push_back(before_.inputs().at(inputs_before + static_cast<std::size_t>(set)).hashes == plan_.inputs().at(inputs + static_cast<std::size_t>(set)).hashes);
    return known->second;
  }
  std::int64_t size() const { return sets_; }

 private:
  const Plan &before_, &plan_;
  const std::int64_t sets_;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<bool>> known_;   // by place among the inputs of image set 0
};

// Keys that neither sweeps: where one has another value, no run is the same.
bool agree_elsewhere(const Plan& before, const Plan& plan) {
  if (!same_study(before, plan)) return false;
  const std::vector<std::string> swept = keys_of(before, plan);
  const auto said = [&](const Plan& one) {
    std::map<std::string, std::string> values;
    for (const auto& [key, value] : one.definition().base.values())
      if (tells_runs_apart(*one.definition().study, key) && !std::ranges::binary_search(swept, key)) values.emplace(key, text(value));
    return values;
  };
  return said(before) == said(plan);
}

}  // namespace

struct CommonRuns::State {
  State(const Plan& before, const Plan& plan)
      : before_(before), plan_(plan), any_(agree_elsewhere(before, plan)), keys_(keys_of(before, plan)), cells_before_(before, keys_, numbers_), cells_(plan, keys_, numbers_),
        finder_(plan, cells_, numbers_.size()), sets_(before, plan) {}

  std::optional<std::int64_t> number_of(std::int64_t number) {
    const Definition &was = before_.definition(), &is = plan_.definition();
    const std::int64_t set = number / was.seeds % was.image_sets, seed = number % was.seeds;
    if (set >= sets_.size() || seed >= is.seeds || !find(before_.cell_of(number)) || at_[static_cast<std::size_t>(set)] < 0) return std::nullopt;
    return (at_[static_cast<std::size_t>(set)] * is.image_sets + set) * is.seeds + seed;
  }

  std::int64_t count(const RunSet& left) {
    std::int64_t common = 0;
    for (const RunSet::Range& range : left.ranges())
      for (std::int64_t place = range.begin; place < range.end;) {
        const std::int64_t cell = before_.cell_of(left.number_at(place)), runs = before_.runs_of_cell();
        const std::int64_t here = left.members_below((cell + 1) * runs, place, range);
        if (find(cell)) common += here == runs ? whole_ : count_in_part(left, place, here, range);
        place += here;
      }
    return common;
  }

 private:
  // Where the cell's runs of each image set are in the plan; false where none is.
  bool find(std::int64_t cell) {
    if (!any_ || cell == found_) return any_ && whole_ > 0;
    found_ = cell;
    const RunPlace place = before_.place_of(cell * before_.runs_of_cell());
    cells_before_.read(place.cell, values_);
    at_.assign(static_cast<std::size_t>(sets_.size()), -1);
    finder_.for_each(values_, [&](std::int64_t product_cell) {
      const std::int64_t there = plan_.kept().place(product_cell);
      const auto& common = sets_.of(place.inputs, plan_.place_of(there * plan_.runs_of_cell()).inputs);
      for (std::size_t set = 0; set < common.size(); ++set)
        if (common[set]) at_[set] = there;
    });
    const auto sets = std::ranges::count_if(at_, [](std::int64_t there) { return there >= 0; });
    whole_ = sets * std::min(before_.definition().seeds, plan_.definition().seeds);
    return whole_ > 0;
  }

  // Seeds are there or not as far as the plan has them.
  std::int64_t count_in_part(const RunSet& left, std::int64_t place, std::int64_t members, const RunSet::Range& range) const {
    std::int64_t common = 0;
    const std::int64_t seeds = before_.definition().seeds;
    for (const std::int64_t end = place + members; place < end;) {
      const std::int64_t number = left.number_at(place), first = number / seeds * seeds, here = left.members_below(first + seeds, place, range);
      const std::int64_t set = number / seeds % before_.definition().image_sets;
      if (set < sets_.size() && at_[static_cast<std::size_t>(set)] >= 0)
        common += std::clamp<std::int64_t>(left.members_below(first + plan_.definition().seeds, place, range), 0, here);
      place += here;
    }
    return common;
  }

  const Plan &before_, &plan_;
  const bool any_;                   // where they differ in a key that neither sweeps, there is none
  const std::vector<std::string> keys_;
  Numbers numbers_;
  const CellValues cells_before_, cells_;
  CellFinder finder_;
  CommonSets sets_;
  std::int64_t found_ = -1, whole_ = 0;   // the cell that was looked for last, and its runs that are in the plan
  std::vector<int> values_;
  std::vector<std::int64_t> at_;     // its cell in the plan, for each image set; -1: none
};

CommonRuns::CommonRuns(const Plan& before, const Plan& plan) : state_(std::make_unique<State>(before, plan)) {}
CommonRuns::~CommonRuns() = default;
std::optional<std::int64_t> CommonRuns::number_of(std::int64_t number) { return state_->number_of(number); }
std::int64_t CommonRuns::count(const RunSet& of_before) { return of_before.empty() ? 0 : state_->count(of_before); }

}  // namespace palimpsest
