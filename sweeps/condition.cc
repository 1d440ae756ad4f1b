#include "sweeps/condition.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace palimpsest {
namespace {

/// "1e-4" rather than "0.0001" or "1e-04".
std::string plain_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value != 0 && std::abs(value) < 1e-3 ? "%.6e" : "%.6g", value);
  return short_exponent(text);
}

}  // namespace

std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::nullopt;
}

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

std::string short_exponent(std::string number) {
  const std::size_t e = number.find('e');
  if (e == std::string::npos) return number;
  std::string digits = number.substr(0, e), exponent = number.substr(e + 1);
  if (digits.find('.') != std::string::npos) digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.pop_back();
  const std::string sign = exponent[0] == '-' ? "-" : "";
  return digits + "e" + sign + exponent.substr(exponent.find_first_not_of("+-0"));
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
