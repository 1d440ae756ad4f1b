#include "sweeps/plan.h"

#include <fmt/format.h>

namespace palimpsest {
namespace {

/// Whether another value of the key may mean other images or other slow weights, so that a run's inputs must be looked at anew.
bool changes_inputs(const Study& study, const std::string& key) {
  return key.starts_with("images.") || key.starts_with("slow.") || names_a_place(study, key);
}

}  // namespace

Plan::Plan(const Definition& definition) : definition_(definition) {
  std::size_t rows = 1;
  for (std::size_t axis = 0; axis < definition_.grid.size(); ++axis)
    if (changes_inputs(*definition_.study, definition_.grid[axis].key)) {
      input_axes_.push_back(axis);
      rows *= definition_.grid[axis].values.size();
    }
  inputs_.resize(rows);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::int64_t set = 0; set < definition_.image_sets; ++set)
      inputs_[row].push_back(definition_.study->inspect(settings_at(place_of_row(row)), set, definition_.image_sets));
  refuse_twins();
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
  for (std::size_t i = 0; i < definition_.grid.size(); ++i) {
    const SweepAxis& axis = definition_.grid[i];
    if (a.values[i] == b.values[i]) continue;
    what += fmt::format("{}{} = {} and {}", what.empty() ? "" : ", ", axis.key, text(axis.values[a.values[i]]), text(axis.values[b.values[i]]));
  }
  return fmt::format("{}: {} hold the same content, so their runs would be the same runs. Leave one of them out of [sweep.grid].",
                     definition_.file.string(), what);
}

std::int64_t Plan::size() const {
  std::int64_t runs = definition_.image_sets * definition_.seeds;
  for (const SweepAxis& axis : definition_.grid) runs *= static_cast<std::int64_t>(axis.values.size());
  return runs;
}

Plan::Place Plan::place_of(std::int64_t number) const {
  Place place{std::vector<std::size_t>(definition_.grid.size()), 0, 0};
  place.seed = number % definition_.seeds;
  number /= definition_.seeds;
  place.image_set = number % definition_.image_sets;
  number /= definition_.image_sets;
  for (std::size_t axis = definition_.grid.size(); axis-- > 0;) {
    const auto count = static_cast<std::int64_t>(definition_.grid[axis].values.size());
    place.values[axis] = static_cast<std::size_t>(number % count);
    number /= count;
  }
  return place;
}

Settings Plan::settings_at(const Place& place) const {
  Settings settings = definition_.base;
  for (std::size_t axis = 0; axis < definition_.grid.size(); ++axis)
    settings.set(definition_.grid[axis].key, definition_.grid[axis].values[place.values[axis]]);
  return settings;
}

Plan::Place Plan::place_of_row(std::size_t row) const {
  Place place{std::vector<std::size_t>(definition_.grid.size()), 0, 0};
  for (auto axis = input_axes_.rbegin(); axis != input_axes_.rend(); ++axis) {
    place.values[*axis] = row % definition_.grid[*axis].values.size();
    row /= definition_.grid[*axis].values.size();
  }
  return place;
}

std::size_t Plan::inputs_row(const Place& place) const {
  std::size_t row = 0;
  for (const std::size_t axis : input_axes_) row = row * definition_.grid[axis].values.size() + place.values[axis];
  return row;
}

RunSpec Plan::run_at(std::int64_t number) const {
  const Place place = place_of(number);
  RunSpec run{{}, settings_at(place), place.seed, place.image_set, definition_.image_sets};
  const Inputs& inputs = inputs_[inputs_row(place)][static_cast<std::size_t>(place.image_set)];
  run.id = run_id(*definition_.study, run.settings, run.seed, run.image_set, inputs);
  return run;
}

std::int64_t Plan::cell_of(std::int64_t number) const { return number / (definition_.image_sets * definition_.seeds); }

std::string Plan::signature_of(std::int64_t number) const { return definition_.study->signature(settings_at(place_of(number))); }

std::map<std::string, Value> Plan::condition_of(std::int64_t number) const {
  const Place place = place_of(number);
  std::map<std::string, Value> condition;
  for (std::size_t axis = 0; axis < definition_.grid.size(); ++axis)
    condition.emplace(definition_.grid[axis].key, definition_.grid[axis].values[place.values[axis]]);
  return condition;
}

}  // namespace palimpsest
