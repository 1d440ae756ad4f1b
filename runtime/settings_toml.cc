#include "runtime/settings_toml.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include "runtime/durable_file.h"

namespace palimpsest {
namespace {

constexpr std::string_view kCommandLine = "--set ";  // how the source of an override begins

bool from_command_line(const toml::source_region& where) { return where.path && where.path->starts_with(kCommandLine); }

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

bool holds_text(KeyType type) { return type == KeyType::kString || type == KeyType::kPath; }

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
      if (settings_.has(name) || found_wrong_.contains(name)) continue;
      if (key->required)
        mistakes_.add("the key " + name + " is missing (" + key->meaning + "). Write " + example(*key) + ".");
      settings_.set(name, key->default_value);
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
    if (hint.empty() && !table) hint = " The keys are listed by --help.";
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

std::string source_of(const Override& given) { return std::string(kCommandLine) + given.key + "=" + given.value; }

toml::table parse_override_value(const Override& given, bool as_text) {
  const std::string source = source_of(given);
  const auto literal = [&] { return toml::parse("value = " + text(Value(given.value)), source); };
  try {
    toml::table parsed = toml::parse("value = " + given.value, source);
    if (parsed.size() == 1 && (!as_text || parsed["value"].is_string())) return parsed;
    return literal();
  } catch (const toml::parse_error&) {
    return literal();
  }
}

void lay_over_one(toml::table& root, const Override& given, const KeyTable& keys, Mistakes& mistakes) {
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.name == given.key; });
  toml::table parsed = parse_override_value(given, key != keys.end() && holds_text(key->type));
  toml::node& node = *parsed.get("value");
  toml::table* table = &root;
  std::string_view rest = given.key;
  for (std::size_t dot; (dot = rest.find('.')) != std::string_view::npos; rest.remove_prefix(dot + 1)) {
    toml::table fresh = toml::parse("value = {}", source_of(given));  // parsed, so that it knows where it comes from
    toml::node& inner =
        table->emplace<toml::table>(rest.substr(0, dot), std::move(*fresh["value"].as_table())).first->second;
    if (!(table = inner.as_table()))
      return mistakes.add(
          node, std::string(given.key.substr(0, rest.data() - given.key.data() + dot)) + " is no table of keys.");
  }
  std::move(node).visit([&](auto&& held) { table->insert_or_assign(rest, std::forward<decltype(held)>(held)); });
}

std::string as_written(const std::filesystem::path& file, const toml::source_region& where) {
  if (from_command_line(where)) return *where.path;
  if (!where.begin) return file.string();
  return file.string() + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column);
}

}  // namespace

const toml::source_region& place(const toml::key& key, const toml::node& node) {
  return key.source().begin ? key.source() : node.source();
}

void Mistakes::add(const toml::source_region& where, const std::string& what) {
  mistakes_.push_back({where, as_written(file_, where) + ": " + what});
}

void Mistakes::add(const std::string& what) { add(toml::source_region{}, what); }

void Mistakes::throw_if_any() const {
  if (mistakes_.empty()) return;
  std::vector<Mistake> sorted = mistakes_;
  const auto order = [](const Mistake& m) {  // the file from top to bottom, then what it lacks, then the command line
    const int part = from_command_line(m.where) ? 2 : m.where.begin ? 0 : 1;
    return std::make_tuple(part, part ? 0u : m.where.begin.line, part ? 0u : m.where.begin.column);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Mistake& a, const Mistake& b) { return order(a) < order(b); });
  std::vector<std::string> lines;
  for (const Mistake& mistake : sorted)  // what two readers of one field tell is told once
    if (std::find(lines.begin(), lines.end(), mistake.line) == lines.end()) lines.push_back(mistake.line);
  throw DefinitionError(std::move(lines));
}

toml::table parse_toml(std::string_view text, const std::filesystem::path& file) {
  try {
    return toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    throw DefinitionError({as_written(file, error.source()) + ": " + std::string(error.description()) +
                           ". This is not TOML; mend it here first."});
  }
}

void lay_over(toml::table& root, std::span<const Override> overrides, const KeyTable& keys, Mistakes& mistakes) {
  for (const Override& given : overrides) lay_over_one(root, given, keys, mistakes);
}

std::optional<Value> checked_value(const toml::node& node, const Key& key, const std::string& shown,
                                   Mistakes& mistakes) {
  return ValueReader(key, shown, mistakes).read(node);
}

Settings read_keys(const toml::table& root, const KeyTable& keys, std::span<const std::string> others,
                   Mistakes& mistakes) {
  return KeyReader(keys, others, mistakes).read(root);
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const auto meant = nearest(word, known);
  return meant ? " Did you mean " + *meant + "?" : "";
}

Settings read_settings(const std::filesystem::path& file, const KeyTable& table, std::span<const Override> overrides) {
  Mistakes mistakes(file);
  toml::table root = parse_toml(read_file(file), file);
  lay_over(root, overrides, table, mistakes);
  Settings settings = read_keys(root, table, {}, mistakes);
  mistakes.throw_if_any();
  return settings;
}

}  // namespace palimpsest
