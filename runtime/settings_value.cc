// One value of a definition, checked against its key.

#include <algorithm>
#include <cmath>
#include <sstream>

#include "runtime/settings_toml.h"

namespace palimpsest {
namespace {

const char* wanted(KeyType type) {
  switch (type) {
    case KeyType::kBool:
      return "true or false";
    case KeyType::kInteger:
      return "an integer";
    case KeyType::kNumber:
      return "a number";
    case KeyType::kString:
      return "a string in quotes";
    case KeyType::kIntegers:
      return "a list of integers, like [0, 10]";
    case KeyType::kNumbers:
      return "a list of numbers, like [0.1, 0.3]";
    case KeyType::kStrings:
      return "a list of strings, like [\"a\", \"b\"]";
    case KeyType::kPath:
      return "a path in quotes";
    case KeyType::kPaths:
      return "a list of paths, like [\"a\", \"b\"]";
  }
  return "";
}

std::string short_number(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? std::to_string(static_cast<std::int64_t>(value))
                                                              : text(Value(value));
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) (out += out.empty() ? "" : ", ") += word;
  return out;
}

/// Reads one value, or each of a list, telling every mistake.
class ValueReader {
 public:
  ValueReader(const Key& key, const std::string& shown, Mistakes& mistakes)
      : key_(key), shown_(shown), mistakes_(mistakes) {}

  std::optional<Value> read(const toml::node& node) const {
    switch (key_.type) {
      case KeyType::kBool:
        return one<bool>(node);
      case KeyType::kInteger:
        return one<std::int64_t>(node);
      case KeyType::kNumber:
        return one<double>(node);
      case KeyType::kString:
      case KeyType::kPath:
        return one<std::string>(node);
      case KeyType::kIntegers:
        return list<std::int64_t>(node);
      case KeyType::kNumbers:
        return list<double>(node);
      case KeyType::kStrings:
      case KeyType::kPaths:
        return list<std::string>(node);
    }
    return std::nullopt;
  }

 private:
  template <class T>
  std::optional<Value> one(const toml::node& node) const {
    if (auto value = element<T>(node)) return Value(std::move(*value));
    return std::nullopt;
  }

  template <class T>
  std::optional<Value> list(const toml::node& node) const {
    const toml::array* array = node.as_array();
    if (!array) return wrong_type(node), std::nullopt;
    std::vector<T> values;
    for (const toml::node& item : *array)
      if (auto value = element<T>(item)) values.push_back(std::move(*value));
    if (values.size() != array->size()) return std::nullopt;
    return Value(std::move(values));
  }

  template <class T>
  std::optional<T> element(const toml::node& node) const {
    std::optional<T> value;
    if constexpr (std::is_same_v<T, double>) {
      if (node.is_number()) value = node.value<double>();
    } else {
      if (node.is<T>()) value = node.value_exact<T>();
    }
    if (!value)
      wrong_type(node);
    else if (!fits(node, *value))
      value.reset();
    return value;
  }

  void wrong_type(const toml::node& node) const {
    mistakes_.add(node,
                  shown_ + " = " + written(node) + " is " + kind(node) + ". Write " + wanted(key_.type) + unit() + ".");
  }

  bool fits(const toml::node&, bool) const { return true; }
  bool fits(const toml::node& node, std::int64_t value) const { return in_range(node, static_cast<double>(value)); }
  bool fits(const toml::node& node, double value) const {
    if (std::isfinite(value)) return in_range(node, value);
    mistakes_.add(node, shown_ + " = " + written(node) + " is not finite. Write a finite number" + range() + ".");
    return false;
  }
  bool in_range(const toml::node& node, double value) const {
    if (!(key_.minimum && value < *key_.minimum) && !(key_.maximum && value > *key_.maximum)) return true;
    mistakes_.add(node, shown_ + " = " + written(node) + " is out of range. Write a number" + range() + unit() + ".");
    return false;
  }
  bool fits(const toml::node& node, std::string& value) const {
    if (std::ranges::any_of(value, is_control)) {   // it would reach terminals
      mistakes_.add(node, shown_ + " holds a control character. Take it out.");
      return false;
    }
    if (key_.type == KeyType::kPath || key_.type == KeyType::kPaths) make_absolute(node, value);
    if (key_.choices.empty() || std::find(key_.choices.begin(), key_.choices.end(), value) != key_.choices.end())
      return true;
    mistakes_.add(node, shown_ + " = " + written(node) + " is none of: " + listed(key_.choices) + "." +
                            did_you_mean(value, key_.choices));
    return false;
  }

  void make_absolute(const toml::node& node, std::string& path) const {
    if (path.empty()) return;  // not given
    const auto& where = node.source();
    const std::filesystem::path base = where.path && !from_command_line(where)
                                           ? std::filesystem::absolute(*where.path).parent_path()
                                           : std::filesystem::current_path();
    path = (base / path).lexically_normal().string();
  }

  std::string range() const {
    if (key_.minimum && key_.maximum)
      return " from " + short_number(*key_.minimum) + " to " + short_number(*key_.maximum);
    if (key_.minimum) return " of at least " + short_number(*key_.minimum);
    return key_.maximum ? " of at most " + short_number(*key_.maximum) : "";
  }
  std::string unit() const { return key_.unit.empty() ? "" : " (" + key_.unit + ")"; }

  const Key& key_;
  const std::string& shown_;
  Mistakes& mistakes_;
};

}  // namespace

std::string kind(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

std::string written(const toml::node& node) {
  if (node.is_table()) return "{...}";
  std::ostringstream out;
  node.visit([&](const auto& held) { out << held; });
  std::string spelled = out.str();
  if (const auto line = spelled.find('\n'); line != std::string::npos) spelled.resize(line);
  if (spelled.size() > 60) spelled.replace(57, std::string::npos, "...");
  return spelled;
}

std::optional<Value> checked_value(const toml::node& node, const Key& key, const std::string& shown,
                                   Mistakes& mistakes) {
  return ValueReader(key, shown, mistakes).read(node);
}

}  // namespace palimpsest
