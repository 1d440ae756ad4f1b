#include "sweeps/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/durable_file.h"
#include "runtime/key_error.h"
#include "sweeps/condition.h"
#include "sweeps/key_places.h"
#include "sweeps/ledger_json.h"

namespace palimpsest {
namespace {

constexpr std::size_t kMostKnown = 65536;   // settings whose cells are kept in mind

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

Plan::Plan(const Definition& definition) : definition_(definition), product_(definition), kept_(std::make_shared<KeptCells>(definition, product_)) {
  refuse_no_run();
  find_input_axes();
  inputs_ = std::make_shared<RecordedInputs>(inspected());
  check_values();
  refuse_twins();
}

Plan::Plan(const Definition& definition, RecordedInputs inputs)
    : definition_(definition), product_(definition), kept_(std::make_shared<KeptCells>(definition, product_)), inputs_(std::make_shared<RecordedInputs>(std::move(inputs))) {
  find_input_axes();
  if (inputs_->size() != rows() * static_cast<std::size_t>(definition_.image_sets)) throw FormatError("the inputs that are recorded are not those of its definition");
}

void Plan::refuse_no_run() const {
  if (kept_->size() == 0) throw InputError(fmt::format("{}: [[sweep.exclude]] leaves no run. Take a rule out.", definition_.file.string()));
}

void Plan::find_input_axes() {
  has_when_ = std::ranges::any_of(definition_.grid, [](const SweepAxis& axis) { return !axis.when.empty(); });
  for (std::size_t axis = 0; axis < product_.axes(); ++axis) {
    if (std::ranges::any_of(keys_of_axis(definition_, axis), [&](const std::string& key) { return changes_inputs(*definition_.study, key); })) input_axes_.push_back(axis);
  }
}

std::size_t Plan::rows() const { return static_cast<std::size_t>(product_.combinations(input_axes_)); }

RecordedInputs Plan::inspected() const {
  RecordedInputs found;
  for (std::size_t row = 0; row < rows(); ++row) {
    const Settings settings = settings_of(cell_of_row(row));
    for (std::int64_t set = 0; set < definition_.image_sets; ++set) found.add(inspect(definition_, settings, set));
  }
  return found;
}

void Plan::set_from(std::size_t axis, std::size_t value, Settings& settings) const {
  const std::size_t grid = definition_.grid.size();
  if (axis < grid) return settings.set(definition_.grid[axis].key, definition_.grid[axis].values[value]);
  const Bundle& bundle = definition_.bundles[axis - grid];
  for (std::size_t i = 0; i < bundle.axes.size(); ++i) settings.set(bundle.axes[i].key, bundle.axes[i].values[bundle.points[value][i]]);
}

// Values that cannot be run are found before the first run: each value of each axis by itself, the others at their first.
void Plan::check_values() const {
  for (std::size_t axis = 0; axis < product_.axes(); ++axis) {
    if (std::ranges::find(input_axes_, axis) != input_axes_.end()) continue;   // looked at already
    for (std::int64_t value = 0; value < product_.count(axis); ++value)
      if (const std::int64_t cell = value * product_.stride(axis); kept_->contains(cell)) inspect(definition_, settings_of(cell), 0);
  }
}

// Sets differ by their number, so twins are of one set.
void Plan::refuse_twins() const {
  if (rows() < 2) return;
  std::vector<std::string> keys;
  for (std::size_t row = 0; row < rows(); ++row) keys.push_back(id_text_of_keys(*definition_.study, settings_of(cell_of_row(row))));
  const auto sets = static_cast<std::size_t>(definition_.image_sets);
  for (std::size_t set = 0; set < sets; ++set) {
    std::map<RunId, std::size_t> twins;
    for (std::size_t row = 0; row < rows(); ++row) {
      const auto [twin, is_new] = twins.emplace(run_id(keys[row], 0, 0, id_text_of_inputs(inputs_->at(row * sets + set))), row);
      if (!is_new) throw InputError(same_content(twin->second, row));
    }
  }
}

std::string Plan::same_content(std::size_t row, std::size_t twin) const {
  std::string what;
  const Settings of_a = settings_of(cell_of_row(row)), of_b = settings_of(cell_of_row(twin));
  for (const std::string& key : swept_keys(definition_))
    if (!(of_a.at(key) == of_b.at(key))) what += fmt::format("{}{} = {} and {}", what.empty() ? "" : ", ", key, text(of_a.at(key)), text(of_b.at(key)));
  return fmt::format("{}: {} hold the same content, so their runs would be the same runs. Leave one of them out of [sweep.grid].",
                     definition_.file.string(), what);
}

std::int64_t Plan::size() const { return runs_of_cell() * kept_->size(); }

std::int64_t Plan::dropped() const { return runs_of_cell() * (product_.cells() - kept_->size()); }

RunPlace Plan::place_of(std::int64_t number) const {
  RunPlace place{kept_->cell(number / runs_of_cell()), number / definition_.seeds % definition_.image_sets, number % definition_.seeds, 0};
  place.inputs = inputs_row(place.cell) * static_cast<std::size_t>(definition_.image_sets) + static_cast<std::size_t>(place.image_set);
  return place;
}

Settings Plan::settings_of(std::int64_t cell) const {
  Settings settings = definition_.base;
  for (std::size_t axis = 0; axis < product_.axes(); ++axis) set_from(axis, static_cast<std::size_t>(product_.place(cell, axis)), settings);
  if (!has_when_) return settings;
  const Settings raw = settings;
  for (const SweepAxis& axis : definition_.grid)
    if (!holds(raw, axis.when)) settings.set(axis.key, definition_.base.at(axis.key));
  return settings;
}

std::int64_t Plan::cell_of_row(std::size_t row) const { return product_.cell_with(static_cast<std::int64_t>(row), input_axes_); }

std::size_t Plan::inputs_row(std::int64_t cell) const { return static_cast<std::size_t>(product_.combination_of(cell, input_axes_)); }

RunSpec Plan::run_at(std::int64_t number) const { return RunMaker(*this).run_at(number); }

std::int64_t Plan::cell_of(std::int64_t number) const { return number / runs_of_cell(); }

std::string Plan::signature_of(std::int64_t number) const { return definition_.study->signature(settings_of(place_of(number).cell)); }

std::map<std::string, Value> Plan::condition_of(std::int64_t number) const {
  return palimpsest::condition_of(settings_of(place_of(number).cell), swept_keys(definition_));
}

std::string Plan::fingerprint() const {
  return content_hash(fmt::format("method {}\n{}\n{}", definition_.study->method_version, inputs_->hash(), resolved_toml(definition_)));
}

bool Plan::may_be_at(std::size_t axis, std::int64_t place, const Settings& settings) const {
  const std::size_t grid = definition_.grid.size();
  const auto agrees = [&](const std::string& key, const Value& value) {
    return names_a_place(*definition_.study, key) || (settings.has(key) && text(settings.at(key)) == text(value));
  };
  if (axis < grid) {
    const SweepAxis& one = definition_.grid[axis];
    return (place == 0 && !one.when.empty()) || agrees(one.key, one.values[static_cast<std::size_t>(place)]);
  }
  const Bundle& bundle = definition_.bundles[axis - grid];
  for (std::size_t i = 0; i < bundle.axes.size(); ++i)
    if (!agrees(bundle.axes[i].key, bundle.axes[i].values[bundle.points[static_cast<std::size_t>(place)][i]])) return false;
  return true;
}

void RunMaker::look_at(const RunPlace& place) {
  if (place.cell != cell_) {
    settings_ = plan_.settings_of(place.cell);
    keys_ = id_text_of_keys(*plan_.definition().study, settings_);
    cell_ = place.cell;
  }
  if (at_ == place.inputs) return;
  inputs_ = plan_.inputs().at(place.inputs);
  inputs_text_ = id_text_of_inputs(inputs_);
  at_ = place.inputs;
}

RunSpec RunMaker::run_at(std::int64_t number) {
  const RunPlace place = plan_.place_of(number);
  look_at(place);
  return {id_of(place), settings_, place.seed, place.image_set, plan_.definition().image_sets, inputs_.hashes};
}

RunSpec RunMaker::order_at(std::int64_t number, RunId id) {
  const RunPlace place = plan_.place_of(number);
  look_at(place);
  return {std::move(id), settings_, place.seed, place.image_set, plan_.definition().image_sets};
}

RunId RunMaker::id_at(std::int64_t number) {
  const RunPlace place = plan_.place_of(number);
  look_at(place);
  return id_of(place);
}

RunId RunMaker::id_of(const RunPlace& place) { return run_id(keys_, place.seed, place.image_set, inputs_text_, text_); }

RunFinder::RunFinder(const Plan& plan) : plan_(plan), maker_(plan) {}

// An axis may have very many values, so its places are found by that of one key.
RunFinder::Axis RunFinder::places_of(std::size_t axis) const {
  const Definition& definition = plan_.definition();
  const std::vector<std::string> keys = keys_of_axis(definition, axis);
  const auto key = std::ranges::find_if(keys, [&](const std::string& one) { return tells_runs_apart(*definition.study, one); });
  Axis found;
  if (key != keys.end()) found.key = *key;
  for (std::int64_t place = 0; place < plan_.product().count(axis); ++place) {
    Places& places = key == keys.end() ? found.all : found.with[text(value_at(definition, axis, static_cast<std::size_t>(key - keys.begin()), static_cast<std::size_t>(place)))];
    places.push_back(place);
  }
  const bool may_not_exist = axis < definition.grid.size() && !definition.grid[axis].when.empty();   // then its first value stands for all
  for (auto& [value, places] : found.with)
    if (may_not_exist && places.front() != 0) places.insert(places.begin(), 0);
  return found;
}

const RunFinder::Places& RunFinder::places_like(const Axis& axis, const Settings& settings) const {
  static const Places first = {0};
  if (axis.key.empty()) return axis.all;
  const auto found = settings.has(axis.key) ? axis.with.find(text(settings.at(axis.key))) : axis.with.end();
  return found == axis.with.end() ? first : found->second;
}

RunFinder::Places RunFinder::cells_like(const Settings& settings) {
  while (axes_.size() < plan_.product().axes()) axes_.push_back(places_of(axes_.size()));   // when the first is looked for
  Places cells = {0};
  for (std::size_t axis = 0; axis < axes_.size(); ++axis) {
    Places with;
    for (const std::int64_t place : places_like(axes_[axis], settings))
      if (plan_.may_be_at(axis, place, settings))
        for (const std::int64_t cell : cells) with.push_back(cell + place * plan_.product().stride(axis));
    cells = std::move(with);
  }
  std::erase_if(cells, [&](std::int64_t cell) { return !plan_.kept().contains(cell); });
  return cells;
}

std::optional<std::int64_t> RunFinder::number_of(const RunId& id, std::int64_t key, const std::function<Settings()>& settings, std::int64_t image_set,
                                                 std::int64_t seed) {
  const Definition& definition = plan_.definition();
  if (image_set >= definition.image_sets || seed >= definition.seeds) return std::nullopt;
  auto known = cells_.find(key);
  if (known == cells_.end()) {
    if (cells_.size() >= kMostKnown) cells_.clear();
    known = cells_.emplace(key, cells_like(settings())).first;
    for (std::int64_t& cell : known->second) cell = plan_.kept().place(cell);
  }
  for (const std::int64_t cell : known->second)
    if (const std::int64_t number = (cell * definition.image_sets + image_set) * definition.seeds + seed; maker_.id_at(number) == id) return number;
  return std::nullopt;
}

}  // namespace palimpsest
