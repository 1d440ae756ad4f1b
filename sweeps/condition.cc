#include "sweeps/condition.h"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace palimpsest {
namespace {

std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::nullopt;
}

std::string plain_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

bool same_value(const Value& a, const Value& b) {
  const auto x = number_of(a), y = number_of(b);
  return x && y ? *x == *y : a == b;
}

bool holds(const Settings& settings, const Condition& condition) {
  return std::all_of(condition.begin(), condition.end(), [&](const auto& wanted) {
    return settings.has(wanted.first) && same_value(settings.at(wanted.first), wanted.second);
  });
}

Condition condition_of(const Settings& settings, const std::vector<std::string>& keys) {
  Condition condition;
  for (const auto& key : keys)
    if (settings.has(key)) condition[key] = settings.at(key);
  return condition;
}

std::string plain(const Value& value) {
  if (const auto* word = std::get_if<std::string>(&value)) return *word;
  if (const auto number = number_of(value)) return plain_number(*number);
  return text(value);
}

std::string plain_key(const std::string& key) {
  std::string name = key.substr(key.rfind('.') + 1);
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string plain(const Condition& condition) {
  std::string out;
  for (const auto& [key, value] : condition) (out += out.empty() ? "" : ", ") += plain_key(key) + " " + plain(value);
  return out;
}

}  // namespace palimpsest
