#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace palimpsest {

/// The labels of an axis of numbers: the shortest text that reads back as the same number.
std::vector<std::string> number_labels(const auto& values) {
  std::vector<std::string> out;
  for (const auto value : values) out.push_back(fmt::format("{}", static_cast<double>(value)));
  return out;
}

/// "first", "first + 1", ...
inline std::vector<std::string> counted_labels(std::int64_t first, std::int64_t count) {
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(std::to_string(first + i));
  return out;
}

}  // namespace palimpsest
