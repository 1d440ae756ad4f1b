#include "sweeps/kept_cells.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "sweeps/condition.h"
#include "sweeps/definition.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kWords = 8, kGroup = 64 * kWords;

/// What a question comes to for each place of the axis that it depends on; `axis` none: the same everywhere, `at` has one answer.
struct Answers {
  std::optional<std::size_t> axis;
  std::vector<char> at;
  bool here(const std::vector<std::size_t>& place) const { return at[axis ? place[*axis] : 0] != 0; }
};

/// Decides whether a cell is run from tables that are made once: ten million cells are asked for one after the other.
class Filter {
 public:
  explicit Filter(const Definition& definition) : definition_(definition) {
    for (const SweepAxis& axis : definition.grid) {
      std::vector<Answers> all;
      for (const auto& [key, value] : axis.when) all.push_back(answers(key, [&value = value](const Value& here) { return same_value(here, value); }));
      whens_.push_back(std::move(all));
    }
    for (const Exclusion& exclusion : definition.excluded) {
      std::vector<Match> rule;
      for (const auto& [key, values] : exclusion) rule.push_back(match(key, values));
      rules_.push_back(std::move(rule));
    }
  }

  bool keeps(const std::vector<std::size_t>& place) const {
    for (std::size_t axis = 0; axis < whens_.size(); ++axis)   // where it does not exist, its first value stands for all
      if (place[axis] > 0 && !exists(axis, place)) return false;
    return std::ranges::none_of(rules_, [&](const auto& rule) { return std::ranges::all_of(rule, [&](const Match& one) { return holds(one, place); }); });
  }

 private:
  struct Match {
    Answers at;
    bool base = false;   // where the axis does not exist
  };

  bool exists(std::size_t grid_axis, const std::vector<std::size_t>& place) const {
    return std::ranges::all_of(whens_[grid_axis], [&](const Answers& one) { return one.here(place); });
  }

  bool holds(const Match& match, const std::vector<std::size_t>& place) const {
    const bool in_grid = match.at.axis && *match.at.axis < whens_.size();
    return in_grid && !exists(*match.at.axis, place) ? match.base : match.at.here(place);
  }

  template <class Ask>
  Answers answers(const std::string& key, Ask ask) const {
    const std::size_t grid = definition_.grid.size();
    for (std::size_t i = 0; i < definition_.bundles.size(); ++i)   // a bundle is set after the grid
      for (std::size_t of = 0; of < definition_.bundles[i].axes.size(); ++of) {
        const SweepAxis& axis = definition_.bundles[i].axes[of];
        if (axis.key != key) continue;
        Answers found{grid + i, {}};
        for (const auto& point : definition_.bundles[i].points) found.at.push_back(ask(axis.values[point[of]]));
        return found;
      }
    for (std::size_t i = 0; i < grid; ++i) {
      if (definition_.grid[i].key != key) continue;
      Answers found{i, {}};
      for (const Value& value : definition_.grid[i].values) found.at.push_back(ask(value));
      return found;
    }
    return {std::nullopt, {static_cast<char>(definition_.base.has(key) && ask(definition_.base.at(key)))}};
  }

  Match match(const std::string& key, const std::vector<Value>& values) const {
    const auto any = [&](const Value& here) { return std::ranges::any_of(values, [&](const Value& value) { return same_value(here, value); }); };
    return {answers(key, any), any(definition_.base.at(key))};
  }

  const Definition& definition_;
  std::vector<std::vector<Answers>> whens_;   // of each axis of the grid
  std::vector<std::vector<Match>> rules_;
};

bool keeps_all(const Definition& definition) {
  return definition.excluded.empty() && std::ranges::all_of(definition.grid, [](const SweepAxis& axis) { return axis.when.empty(); });
}

}  // namespace

Product::Product(const Definition& definition) {
  for (const SweepAxis& axis : definition.grid) counts_.push_back(static_cast<std::int64_t>(axis.values.size()));
  for (const Bundle& bundle : definition.bundles) counts_.push_back(static_cast<std::int64_t>(bundle.points.size()));
  strides_.resize(counts_.size());
  for (std::size_t axis = counts_.size(); axis-- > 0; cells_ *= counts_[axis]) strides_[axis] = cells_;
}

std::int64_t Product::combinations(const std::vector<std::size_t>& axes) const {
  std::int64_t all = 1;
  for (const std::size_t axis : axes) all *= counts_[axis];
  return all;
}

std::int64_t Product::combination_of(std::int64_t cell, const std::vector<std::size_t>& axes) const {
  std::int64_t combination = 0;
  for (const std::size_t axis : axes) combination = combination * counts_[axis] + place(cell, axis);
  return combination;
}

std::int64_t Product::cell_with(std::int64_t combination, const std::vector<std::size_t>& axes) const {
  std::int64_t cell = 0;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    cell += combination % counts_[*axis] * strides_[*axis];
    combination /= counts_[*axis];
  }
  return cell;
}

std::vector<std::string> keys_of_axis(const Definition& definition, std::size_t axis) {
  const std::size_t grid = definition.grid.size();
  if (axis < grid) return {definition.grid[axis].key};
  std::vector<std::string> keys;
  for (const SweepAxis& one : definition.bundles[axis - grid].axes) keys.push_back(one.key);
  return keys;
}

const Value& value_at(const Definition& definition, std::size_t axis, std::size_t key, std::size_t place) {
  if (axis < definition.grid.size()) return definition.grid[axis].values[place];
  const Bundle& bundle = definition.bundles[axis - definition.grid.size()];
  return bundle.axes[key].values[bundle.points[place][key]];
}

KeptCells::KeptCells(const Definition& definition, const Product& product) : size_(product.cells()) {
  if (keeps_all(definition)) return;
  const Filter filter(definition);
  bits_.resize(static_cast<std::size_t>((product.cells() + 63) / 64));
  std::vector<std::size_t> place(product.axes(), 0);
  size_ = 0;
  for (std::int64_t cell = 0; cell < product.cells(); ++cell) {
    if (cell % kGroup == 0) before_.push_back(size_);
    if (filter.keeps(place)) bits_[static_cast<std::size_t>(cell / 64)] |= std::uint64_t{1} << (cell % 64), ++size_;
    for (std::size_t axis = product.axes(); axis-- > 0 && ++place[axis] == static_cast<std::size_t>(product.count(axis));) place[axis] = 0;
  }
}

std::int64_t KeptCells::cell(std::int64_t place) const {
  if (bits_.empty()) return place;
  const auto group = std::ranges::upper_bound(before_, place) - before_.begin() - 1;
  std::int64_t left = place - before_[static_cast<std::size_t>(group)];
  for (auto word = static_cast<std::size_t>(group * kWords);; ++word) {
    const int here = std::popcount(bits_[word]);
    if (left >= here) { left -= here; continue; }
    std::uint64_t bits = bits_[word];
    for (; left > 0; --left) bits &= bits - 1;
    return static_cast<std::int64_t>(word) * 64 + std::countr_zero(bits);
  }
}

std::int64_t KeptCells::place(std::int64_t cell) const {
  if (bits_.empty()) return cell;
  const std::int64_t group = cell / kGroup;
  std::int64_t place = before_[static_cast<std::size_t>(group)];
  for (auto word = static_cast<std::size_t>(group * kWords); word < static_cast<std::size_t>(cell / 64); ++word) place += std::popcount(bits_[word]);
  return place + std::popcount(bits_[static_cast<std::size_t>(cell / 64)] & ((std::uint64_t{1} << (cell % 64)) - 1));
}

std::int64_t KeptCells::next(std::int64_t cell) const {
  if (bits_.empty()) return cell + 1;
  auto word = static_cast<std::size_t>((cell + 1) / 64);
  std::uint64_t bits = bits_[word] & (~std::uint64_t{0} << ((cell + 1) % 64));
  while (bits == 0) bits = bits_[++word];
  return static_cast<std::int64_t>(word) * 64 + std::countr_zero(bits);
}

}  // namespace palimpsest
