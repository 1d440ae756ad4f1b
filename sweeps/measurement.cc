#include "sweeps/measurement.h"

#include <charconv>
#include <optional>

namespace palimpsest {
namespace {

std::optional<double> as_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::size_t> range(std::size_t begin, std::size_t end) {
  std::vector<std::size_t> out;
  for (std::size_t i = begin; i < end; ++i) out.push_back(i);
  return out;
}

}  // namespace

std::vector<std::size_t> places(const Axis& axis, std::string_view word) {
  const std::size_t n = axis.labels.size();
  const auto number = as_number(word);
  for (std::size_t i = 0; i < n; ++i)
    if (axis.labels[i] == word || (number && as_number(axis.labels[i]) == number)) return {i};
  if (n == 0) return {};
  if (word == "all") return range(0, n);
  if (word == "first") return {0};
  if (word == "middle") return {n / 2};
  if (word == "last") return {n - 1};
  if (word == "early") return range(0, n > 1 ? n / 2 : 1);
  if (word == "late") return range(n / 2, n);
  return {};
}

}  // namespace palimpsest
