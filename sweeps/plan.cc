#include "sweeps/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/key_error.h"
#include "sweeps/condition.h"
#include "sweeps/key_places.h"

namespace palimpsest {
namespace {

/// Whether another value of the key may mean other images or other slow weights, so that a run's inputs must be looked at anew.
bool changes_inputs(const Study& study, const std::string& key) {
  return key.starts_with("images.") || key.starts_with("slow.") || names_a_place(study, key);
}

// What the study says of a key is said of the place where the definition has it.
Inputs inspect(const Definition& definition, const Settings& settings, std::int64_t image_set) {
  try {
    return definition.study->inspect(settings, image_set, definition.image_sets);
  } catch (const KeyError& error) {
    throw DefinitionError({place_of(definition, error.key(), settings.at(error.key())) + ": " + error.what()});
  }
}

}  // namespace

Plan::Plan(const Definition& definition) : definition_(definition) {
  std::size_t rows = 1;
  for (std::size_t axis = 0; axis < axes(); ++axis) {
    cells_ *= count_of(axis);
    bool inputs = false;
    if (axis < definition_.grid.size()) inputs = changes_inputs(*definition_.study, definition_.grid[axis].key);
    else
      for (const SweepAxis& one : definition_.bundles[axis - definition_.grid.size()].axes) inputs |= changes_inputs(*definition_.study, one.key);
    if (!inputs) continue;
    input_axes_.push_back(axis);
    rows *= static_cast<std::size_t>(count_of(axis));
  }
  keep_cells();
  inputs_.resize(rows);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::int64_t set = 0; set < definition_.image_sets; ++set)
      inputs_[row].push_back(inspect(definition_, settings_at(place_of_row(row)), set));
  check_values();
  refuse_twins();
}

std::int64_t Plan::count_of(std::size_t axis) const {
  const std::size_t grid = definition_.grid.size();
  return static_cast<std::int64_t>(axis < grid ? definition_.grid[axis].values.size() : definition_.bundles[axis - grid].points.size());
}

void Plan::set_from(std::size_t axis, std::size_t value, Settings& settings) const {
  const std::size_t grid = definition_.grid.size();
  if (axis < grid) return settings.set(definition_.grid[axis].key, definition_.grid[axis].values[value]);
  const Bundle& bundle = definition_.bundles[axis - grid];
  for (std::size_t i = 0; i < bundle.axes.size(); ++i) settings.set(bundle.axes[i].key, bundle.axes[i].values[bundle.points[value][i]]);
}

// Values that cannot be run are found before the first run: each value of each axis by itself, the others at their first.
void Plan::check_values() const {
  Place place{std::vector<std::size_t>(axes(), 0), 0, 0};
  for (std::size_t axis = 0; axis < axes(); ++axis) {
    if (std::ranges::find(input_axes_, axis) != input_axes_.end()) continue;   // looked at already
    for (std::int64_t value = 0; value < count_of(axis); ++value) {
      place.values[axis] = static_cast<std::size_t>(value);
      if (is_kept(place)) inspect(definition_, settings_at(place), 0);
    }
    place.values[axis] = 0;
  }
}

// Without `when` and exclusions nothing is laid out.
void Plan::keep_cells() {
  all_kept_ = definition_.excluded.empty() && std::ranges::all_of(definition_.grid, [](const SweepAxis& axis) { return axis.when.empty(); });
  for (std::int64_t cell = 0; !all_kept_ && cell < cells_; ++cell)
    if (is_kept(place_of_cell(cell))) kept_.push_back(static_cast<std::uint32_t>(cell));
  if (!all_kept_ && kept_.empty()) throw InputError(fmt::format("{}: [[sweep.exclude]] leaves no run. Take a rule out.", definition_.file.string()));
}

bool Plan::is_kept(const Place& place) const {
  Settings raw = definition_.base;
  for (std::size_t axis = 0; axis < axes(); ++axis) set_from(axis, place.values[axis], raw);
  for (std::size_t axis = 0; axis < definition_.grid.size(); ++axis)   // where it does not exist, its first value stands for all
    if (place.values[axis] > 0 && !holds(raw, definition_.grid[axis].when)) return false;
  if (definition_.excluded.empty()) return true;
  const Settings settings = settings_at(place);
  return std::ranges::none_of(definition_.excluded, [&](const Exclusion& rule) {
    return std::ranges::all_of(rule, [&](const auto& one) {
      return std::ranges::any_of(one.second, [&](const Value& value) { return same_value(settings.at(one.first), value); });
    });
  });
}

void Plan::refuse_twins() const {
  std::map<RunId, std::size_t> rows;
  for (std::size_t row = 0; row < inputs_.size(); ++row) {
    const Settings settings = settings_at(place_of_row(row));
    for (std::int64_t set = 0; set < definition_.image_sets; ++set) {
      const RunId id = run_id(*definition_.study, settings, 0, set, inputs_[row][static_cast<std::size_t>(set)]);
      const auto [twin, is_new] = rows.emplace(id, row);
      if (!is_new) throw InputError(same_content(twin->second, row));
    }
  }
}

std::string Plan::same_content(std::size_t row, std::size_t twin) const {
  const Place a = place_of_row(row), b = place_of_row(twin);
  std::string what;
  const Settings of_a = settings_at(a), of_b = settings_at(b);
  for (const std::string& key : swept_keys(definition_))
    if (!(of_a.at(key) == of_b.at(key))) what += fmt::format("{}{} = {} and {}", what.empty() ? "" : ", ", key, text(of_a.at(key)), text(of_b.at(key)));
  return fmt::format("{}: {} hold the same content, so their runs would be the same runs. Leave one of them out of [sweep.grid].",
                     definition_.file.string(), what);
}

std::int64_t Plan::size() const {
  return definition_.image_sets * definition_.seeds * (all_kept_ ? cells_ : static_cast<std::int64_t>(kept_.size()));
}

std::int64_t Plan::dropped() const { return definition_.image_sets * definition_.seeds * cells_ - size(); }

Plan::Place Plan::place_of_cell(std::int64_t cell) const {
  Place place{std::vector<std::size_t>(axes()), 0, 0};
  for (std::size_t axis = axes(); axis-- > 0;) {
    place.values[axis] = static_cast<std::size_t>(cell % count_of(axis));
    cell /= count_of(axis);
  }
  return place;
}

Plan::Place Plan::place_of(std::int64_t number) const {
  const std::int64_t runs = definition_.image_sets * definition_.seeds, cell = number / runs;
  Place place = place_of_cell(all_kept_ ? cell : kept_[static_cast<std::size_t>(cell)]);
  place.seed = number % definition_.seeds;
  place.image_set = number / definition_.seeds % definition_.image_sets;
  return place;
}

Settings Plan::settings_at(const Place& place) const {
  Settings settings = definition_.base;
  for (std::size_t axis = 0; axis < axes(); ++axis) set_from(axis, place.values[axis], settings);
  const Settings raw = settings;
  for (const SweepAxis& axis : definition_.grid)
    if (!holds(raw, axis.when)) settings.set(axis.key, definition_.base.at(axis.key));
  return settings;
}

Plan::Place Plan::place_of_row(std::size_t row) const {
  Place place{std::vector<std::size_t>(axes()), 0, 0};
  for (auto axis = input_axes_.rbegin(); axis != input_axes_.rend(); ++axis) {
    place.values[*axis] = row % static_cast<std::size_t>(count_of(*axis));
    row /= static_cast<std::size_t>(count_of(*axis));
  }
  return place;
}

std::size_t Plan::inputs_row(const Place& place) const {
  std::size_t row = 0;
  for (const std::size_t axis : input_axes_) row = row * static_cast<std::size_t>(count_of(axis)) + place.values[axis];
  return row;
}

RunSpec Plan::run_at(std::int64_t number) const {
  const Place place = place_of(number);
  RunSpec run{{}, settings_at(place), place.seed, place.image_set, definition_.image_sets};
  const Inputs& inputs = inputs_[inputs_row(place)][static_cast<std::size_t>(place.image_set)];
  run.inputs = inputs.hashes;
  run.id = run_id(*definition_.study, run.settings, run.seed, run.image_set, inputs);
  return run;
}

std::int64_t Plan::cell_of(std::int64_t number) const { return number / (definition_.image_sets * definition_.seeds); }

std::string Plan::signature_of(std::int64_t number) const { return definition_.study->signature(settings_at(place_of(number))); }

std::map<std::string, Value> Plan::condition_of(std::int64_t number) const {
  return palimpsest::condition_of(settings_at(place_of(number)), swept_keys(definition_));
}

}  // namespace palimpsest
