#include "sweeps/swept_when.h"

#include <toml++/toml.h>

#include "sweeps/definition.h"

namespace palimpsest {
namespace {

template <class T>
std::vector<T> list_of(const toml::array& array) {
  std::vector<T> list;
  for (const toml::node& node : array) list.push_back(*node.value<T>());
  return list;
}

/// A resolved definition is written by this program: nothing in it needs to be checked again.
Value value_of(const toml::node& node) {
  if (const toml::array* array = node.as_array()) {
    if (array->is_homogeneous(toml::node_type::string)) return list_of<std::string>(*array);
    if (array->is_homogeneous(toml::node_type::integer)) return list_of<std::int64_t>(*array);
    return list_of<double>(*array);
  }
  if (node.is_boolean()) return *node.value<bool>();
  if (node.is_integer()) return *node.value<std::int64_t>();
  if (node.is_floating_point()) return *node.value<double>();
  return node.value_or(std::string());
}

}  // namespace

Whens whens_of(const Definition& definition) {
  Whens whens;
  for (const SweepAxis& axis : definition.grid)
    if (!axis.when.empty()) whens[axis.key] = axis.when;
  return whens;
}

Whens whens_in(const std::string& resolved) {
  Whens whens;
  const toml::table root = toml::parse(resolved);
  const toml::table* grid = root["sweep"]["grid"].as_table();
  if (!grid) return whens;
  for (const auto& [axis, node] : *grid)
    if (const toml::table* conditional = node.as_table())
      if (const toml::table* when = (*conditional)["when"].as_table())
        for (const auto& [key, value] : *when) whens[std::string(axis.str())].emplace(std::string(key.str()), value_of(value));
  return whens;
}

bool exists(const std::string& axis, const Settings& settings, const Whens& whens) {
  const auto when = whens.find(axis);
  return when == whens.end() || holds(settings, when->second);
}

}  // namespace palimpsest
