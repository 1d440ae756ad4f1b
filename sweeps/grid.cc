#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "sweeps/definition_toml.h"

namespace palimpsest {
namespace {

void flatten(const toml::table& table, const std::string& prefix, const Study& study, std::vector<NamedNode>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    const toml::table* inner = find_key(study, name) ? nullptr : node.as_table();
    if (inner && !inner->empty()) flatten(*inner, name + ".", study, out);
    else out.push_back({name, place(key, node), &node});
  }
}

/// The file from top to bottom, then an included one, whose sources have another path, then the command line.
auto order_in_file(const NamedNode& entry, const toml::table& table) {
  const bool other = entry.where.path != table.source().path;
  return std::make_tuple(from_command_line(entry.where), other, entry.where.begin.line, entry.where.begin.column);
}

/// The values of one axis, mistakes told: each like a base value of the key, none twice.
std::vector<Value> axis_values(const toml::array& list, const Key& key, Mistakes& mistakes) {
  std::vector<Value> values;
  for (const toml::node& item : list) {
    auto value = checked_value(item, key, key.name, mistakes);
    if (!value) continue;
    if (std::find(values.begin(), values.end(), *value) != values.end())
      mistakes.add(item, fmt::format("{} has {} twice in [sweep.grid]: the same runs. Leave one out.", key.name, text(*value)));
    values.push_back(std::move(*value));
  }
  return values;
}

/// Values that other keys must have.
std::map<std::string, Value> condition_in(const toml::table& table, const Study& study, Mistakes& mistakes) {
  std::map<std::string, Value> out;
  for (const NamedNode& entry : flattened(table, study)) {
    const Key* key = find_key(study, entry.name);
    if (!key) mistakes.add(entry.where, fmt::format("unknown key {} in when.{}", entry.name, did_you_mean_key(study, entry.name)));
    else if (auto value = checked_value(*entry.node, *key, key->name, mistakes)) out[entry.name] = std::move(*value);
  }
  return out;
}

void read_axis(const NamedNode& entry, const Study& study, std::vector<SweepAxis>& grid, Mistakes& mistakes) {
  const Key* key = find_key(study, entry.name);
  const toml::table* conditional = entry.node->as_table();   // { values = [...], when = { ... } }
  const toml::node* values = conditional ? conditional->get("values") : entry.node;
  const toml::array* list = values ? values->as_array() : nullptr;
  if (!key) {
    mistakes.add(entry.where, fmt::format("unknown axis {} in [sweep.grid].{}", entry.name, did_you_mean_key(study, entry.name)));
    return;
  }
  grid.push_back({entry.name, {}});  // also where its values are wrong: claims that name it are not wrong for that
  if (!key->sweepable)
    mistakes.add(entry.where, fmt::format("{} cannot be swept: it is the same for all runs of a sweep. Give its one value outside [sweep.grid].", entry.name));
  else if (!list || (conditional && (conditional->size() != 2 || !conditional->get("when") || !conditional->get("when")->is_table())))
    mistakes.add(*entry.node, fmt::format("{} in [sweep.grid] is no list. Write the values it takes in brackets, or give its one value outside [sweep.grid].", entry.name));
  else if (list->empty())
    mistakes.add(*entry.node, fmt::format("{} = [] has no value, so there would be no run. Give its values, or leave the axis out.", entry.name));
  else
    grid.back().values = axis_values(*list, *key, mistakes);
  if (conditional && conditional->get("when") && conditional->get("when")->is_table())
    grid.back().when = condition_in(*conditional->get("when")->as_table(), study, mistakes);
}

}  // namespace

std::vector<NamedNode> flattened(const toml::table& table, const Study& study) {
  std::vector<NamedNode> entries;
  flatten(table, "", study, entries);
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const NamedNode& a, const NamedNode& b) { return order_in_file(a, table) < order_in_file(b, table); });
  return entries;
}

std::vector<NamedNode> flattened_but(const toml::table& table, const Study& study, const std::vector<std::string>& others) {
  auto entries = flattened(table, study);
  std::erase_if(entries, [&](const NamedNode& entry) { return std::find(others.begin(), others.end(), entry.name) != others.end(); });
  return entries;
}

std::string did_you_mean_key(const Study& study, const std::string& name) {
  std::vector<std::string> names;
  for (const Key& key : study.keys) names.push_back(key.name);
  if (std::string hint = did_you_mean(name, names); !hint.empty()) return hint;
  for (const std::string& known : names)
    if (known.ends_with("." + name)) return " Did you mean " + known + "?";
  return " `palimpsest init " + study.name + "` lists the keys.";
}

std::vector<SweepAxis> read_grid(const toml::table& table, const Study& study, Mistakes& mistakes) {
  std::vector<SweepAxis> grid;
  for (const NamedNode& entry : flattened(table, study)) {
    const bool given = std::any_of(grid.begin(), grid.end(), [&](const SweepAxis& axis) { return axis.key == entry.name; });
    if (given) mistakes.add(entry.where, fmt::format("{} is in [sweep.grid] twice, quoted and unquoted. Leave one out.", entry.name));
    else read_axis(entry, study, grid, mistakes);
  }
  return grid;
}

}  // namespace palimpsest
