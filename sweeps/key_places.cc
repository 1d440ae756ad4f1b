#include "sweeps/key_places.h"

#include <algorithm>

#include "sweeps/definition_toml.h"

namespace palimpsest {
namespace {

/// Looks for one value of one key.
class PlaceFinder {
 public:
  PlaceFinder(const Definition& definition, const Key& key, const Value& value) : definition_(definition), key_(key), value_(value) {}

  /// Axes before the base value, which they replace.
  const toml::node* find_in(const toml::table& root) const {
    for (const char* way : {"grid", "zip", "random", "ablation"})
      if (const toml::node* axes = root["sweep"][way].node())
        if (const toml::node* found = in_axes(*axes)) return found;
    const toml::node* base = root.at_path(key_.name).node();
    return base && is_it(*base) ? base : nullptr;
  }

 private:
  /// [sweep.grid] and the like: a table of axes, or a list of such tables.
  const toml::node* in_axes(const toml::node& axes) const {
    if (const toml::array* several = axes.as_array())
      for (const toml::node& one : *several)
        if (const toml::node* found = in_axes(one)) return found;
    if (const toml::table* table = axes.as_table())
      for (const NamedNode& entry : flattened(*table, *definition_.study))
        if (entry.name == key_.name) return in_axis(*entry.node);
    return nullptr;
  }

  /// [values], { values = [...], when = { ... } }, { choice = [...] }, or in an ablation the value itself.
  const toml::node* in_axis(const toml::node& axis) const {
    if (is_it(axis)) return &axis;
    if (const toml::table* table = axis.as_table())
      for (const char* field : {"values", "choice"})
        if (const toml::node* list = table->get(field)) return in_axis(*list);
    const toml::array* values = axis.as_array();
    const auto found = values ? std::find_if(values->begin(), values->end(), [&](const toml::node& one) { return is_it(one); }) : toml::array::const_iterator();
    return values && found != values->end() ? &*found : nullptr;
  }

  bool is_it(const toml::node& node) const {
    Mistakes told_before(definition_.file);
    const auto value = checked_value(node, key_, key_.name, told_before);
    return value && *value == value_;
  }

  const Definition& definition_;
  const Key& key_;
  const Value& value_;
};

}  // namespace

std::string place_of(const Definition& definition, const std::string& key, const Value& value) {
  const Mistakes places(definition.file);
  Mistakes told_before(definition.file);
  toml::table root = parse_toml(definition.source, definition.file);
  if (root.get("include")) include_file(root, definition.file, told_before);
  const Key* known = find_key(*definition.study, key);
  const toml::node* found = known ? PlaceFinder(definition, *known, value).find_in(root) : nullptr;
  return found ? places.place_of(found->source()) : definition.file.string();
}

}  // namespace palimpsest
