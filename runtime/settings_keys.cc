// All keys of a definition: which are there, which are missing, and which are none.

#include <algorithm>
#include <map>
#include <set>

#include "runtime/settings_toml.h"

namespace palimpsest {
namespace {

/// Walks a definition and its tables, and sorts what it finds into keys of the table and mistakes.
class KeyReader {
 public:
  KeyReader(const KeyTable& keys, std::span<const std::string> others, Mistakes& mistakes)
      : mistakes_(mistakes), others_(others) {
    for (const Key& key : keys) {
      keys_.emplace(key.name, &key);
      names_.push_back(key.name);
      for (std::size_t dot = key.name.find('.'); dot != std::string::npos; dot = key.name.find('.', dot + 1))
        add_table(key.name.substr(0, dot));
    }
  }

  Settings read(const toml::table& root) {
    read_table(root, "");
    for (const auto& [name, key] : keys_) {
      if (found_wrong_.contains(name)) continue;
      if (!settings_.has(name)) settings_.set(name, key->default_value);
      if (key->required && not_given(settings_.at(name)))
        mistakes_.add("the key " + name + " is missing (" + key->meaning + "). Write " + example(*key) + ".");
    }
    return std::move(settings_);
  }

 private:
  void add_table(const std::string& name) {
    if (std::find(tables_.begin(), tables_.end(), name) == tables_.end()) tables_.push_back(name);
  }

  void read_table(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name = prefix + std::string(key.str());
      if (prefix.empty() && std::find(others_.begin(), others_.end(), name) != others_.end()) continue;
      const bool quoted_dots = key.str().find('.') != std::string_view::npos;
      if (const auto known = keys_.find(name); known != keys_.end() && !quoted_dots)
        read_key(*known->second, node);
      else if (std::find(tables_.begin(), tables_.end(), name) != tables_.end() && !quoted_dots)
        enter_table(key, node, name);
      else
        unknown(key, node, name);
    }
  }

  void read_key(const Key& key, const toml::node& node) {
    if (auto value = checked_value(node, key, key.name, mistakes_))
      settings_.set(key.name, std::move(*value));
    else
      found_wrong_.insert(key.name);
  }

  void enter_table(const toml::key& key, const toml::node& node, const std::string& name) {
    if (const toml::table* inner = node.as_table()) return read_table(*inner, name + ".");
    mistakes_.add(place(key, node), name + " = " + written(node) + " is " + kind(node) +
                                        ", but it is a table of keys. Write [" + name + "] and its keys below it.");
  }

  void unknown(const toml::key& key, const toml::node& node, const std::string& name) {
    const bool table = node.is_table() || node.is_array_of_tables();
    std::vector<std::string> known = table ? tables_ : names_;
    if (name.find('.') == std::string::npos) known.insert(known.end(), others_.begin(), others_.end());
    std::string hint = did_you_mean(name, known);
    if (hint.empty() && !table) hint = elsewhere(std::string(key.str()));
    if (hint.empty()) hint = " `palimpsest init STUDY`, or `palimpsest init pretraining`, lists the keys.";
    mistakes_.add(place(key, node),
                  std::string(table ? "unknown table [" : "unknown key ") + name + (table ? "]." : ".") + hint);
  }

  // A key that is known in another table was put under the wrong heading.
  std::string elsewhere(const std::string& leaf) const {
    for (const std::string& name : names_)
      if (name == leaf || name.ends_with("." + leaf)) return " Did you mean " + name + "?";
    return "";
  }

  static std::string example(const Key& key) {
    const std::size_t dot = key.name.rfind('.');
    const std::string assignment = (dot == std::string::npos ? key.name : key.name.substr(dot + 1)) + " = ...";
    return dot == std::string::npos ? assignment : assignment + " under [" + key.name.substr(0, dot) + "]";
  }

  Mistakes& mistakes_;
  std::span<const std::string> others_;
  std::map<std::string, const Key*> keys_;
  std::vector<std::string> names_, tables_;
  std::set<std::string> found_wrong_;
  Settings settings_;
};

}  // namespace

Settings read_keys(const toml::table& root, const KeyTable& keys, std::span<const std::string> others,
                   Mistakes& mistakes) {
  return KeyReader(keys, others, mistakes).read(root);
}

}  // namespace palimpsest
