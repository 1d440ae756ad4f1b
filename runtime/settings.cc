#include "runtime/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <stdexcept>

namespace palimpsest {
namespace {

std::string number_text(double value) {
  char digits[40];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, value == 0 ? 0.0 : value).ptr;  // -0 and 0 are one value
  std::string shortest(digits, end);
  return shortest.find_first_of(".en") == std::string::npos ? shortest + ".0"
                                                            : shortest;  // "3" would read back as an integer
}

std::string toml_string(std::string_view plain) {
  std::string out = "\"";
  for (const char c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", byte);
      out += escape;
    } else
      out += c;
  }
  return out + '"';
}

struct Spell {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return number_text(value); }
  std::string operator()(const std::string& value) const { return toml_string(value); }
  template <class T>
  std::string operator()(const std::vector<T>& values) const {
    std::string out = "[";
    for (const T& value : values) (out += out.size() > 1 ? ", " : "") += (*this)(value);
    return out + "]";
  }
};

template <class T>
const T& get(const Settings& settings, std::string_view key) {
  if (const T* value = std::get_if<T>(&settings.at(key))) return *value;
  throw std::logic_error("the key " + std::string(key) + " is read as another type than the one it is declared with");
}

// Damerau-Levenshtein with neighbours swapped once ("optimal string alignment").
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

/// A word that was cut short: "training.learn". Its table alone is none.
std::optional<std::string> shortest_that_begins_with(std::string_view word, std::span<const std::string> known) {
  std::optional<std::string> found;
  for (const std::string& candidate : known)
    if (word.size() >= 3 && candidate.starts_with(word) && candidate.find('.', word.size()) == std::string::npos &&
        (!found || candidate.size() < found->size()))
      found = candidate;
  return found;
}

/// How many letters of two dotted names are the table both are in: "training.".
std::size_t shared_table(std::string_view a, std::string_view b) {
  std::size_t shared = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()) && a[i] == b[i]; ++i)
    if (a[i] == '.') shared = i + 1;
  return shared;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) (out += out.empty() ? "" : "\n") += line;
  return out;
}

}  // namespace

std::string text(const Value& value) { return std::visit(Spell{}, value); }

bool not_given(const Value& value) {
  const auto empty = [](const auto& held) {
    if constexpr (requires { held.empty(); })
      return held.empty();
    else
      return false;
  };
  return std::visit(empty, value);
}

const Value& Settings::at(std::string_view key) const {
  const auto found = values().find(key);
  if (found == values().end()) throw std::logic_error("the key " + std::string(key) + " is read but is in no table");
  return found->second;
}

const Settings::Values& Settings::values() const {
  static const Values none;
  return values_ ? *values_ : none;
}

void Settings::set(std::string_view key, Value value) {
  if (!values_ || values_.use_count() > 1) values_ = std::make_shared<Values>(values());
  values_->insert_or_assign(std::string(key), std::move(value));
}

bool Settings::flag(std::string_view key) const { return get<bool>(*this, key); }
std::int64_t Settings::integer(std::string_view key) const { return get<std::int64_t>(*this, key); }
double Settings::number(std::string_view key) const { return get<double>(*this, key); }
const std::string& Settings::string(std::string_view key) const { return get<std::string>(*this, key); }
const std::vector<std::int64_t>& Settings::integers(std::string_view key) const {
  return get<std::vector<std::int64_t>>(*this, key);
}
const std::vector<double>& Settings::numbers(std::string_view key) const {
  return get<std::vector<double>>(*this, key);
}
const std::vector<std::string>& Settings::strings(std::string_view key) const {
  return get<std::vector<std::string>>(*this, key);
}

DefinitionError::DefinitionError(std::vector<std::string> mistakes)
    : InputError(joined(mistakes)), mistakes_(std::move(mistakes)) {}

Override parse_override(std::string_view argument) {
  const std::size_t equals = argument.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw InputError("--set " + std::string(argument) +
                     ": no key and value. Write --set key=value, for example --set training.epochs=20.");
  return {std::string(argument.substr(0, equals)), std::string(argument.substr(equals + 1))};
}

Settings default_settings(const KeyTable& table) {
  Settings settings;
  for (const Key& key : table) {
    if (key.required && not_given(key.default_value))
      throw InputError("The key " + key.name + " has no default and must be given: " + key.meaning);
    settings.set(key.name, key.default_value);
  }
  return settings;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  if (auto longer = shortest_that_begins_with(word, known)) return longer;
  std::size_t best = std::string_view::npos;
  std::optional<std::string> found;
  for (const std::string& candidate : known) {
    const std::size_t table = shared_table(word, candidate);  // letters that agree by being in one table prove nothing
    const std::string_view given = word.substr(table), meant = std::string_view(candidate).substr(table);
    const std::size_t distance = edit_distance(given, meant);
    const bool near = distance <= 1 + given.size() / 3 && distance < std::max(given.size(), meant.size());
    if (!near || distance >= best) continue;
    best = distance;
    found = candidate;
  }
  return found;
}

}  // namespace palimpsest
