#include "models/key_ranges.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace palimpsest {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string range(std::int64_t first, std::int64_t last) {
  return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

}  // namespace

BlockKey block_key(const std::string& key) {
  for (std::size_t at = key.find('.'); at != std::string::npos; at = key.find('.', at + 1)) {
    std::size_t end = at + 1;
    while (end < key.size() && is_digit(key[end])) ++end;
    if (end == at + 1 || end >= key.size() || key[end] != '.') continue;
    BlockKey out{key.substr(0, at + 1) + "{}" + key.substr(end), 0};
    if (std::from_chars(key.data() + at + 1, key.data() + end, out.block).ec == std::errc()) return out;
  }
  return {key, -1};
}

std::string number_ranges(const std::vector<std::int64_t>& sorted) {
  std::vector<std::string> parts;
  for (std::size_t first = 0; first < sorted.size();) {
    std::size_t last = first;
    while (last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1) ++last;
    parts.push_back(range(sorted[first], sorted[last]));
    first = last + 1;
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

std::vector<std::string> key_ranges(const std::vector<std::string>& keys) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::int64_t>> blocks;
  for (const auto& key : keys) {
    const auto [pattern, block] = block_key(key);
    auto& numbers = blocks[pattern];
    if (numbers.empty()) order.push_back(pattern);
    numbers.push_back(block);
  }
  for (auto& pattern : order) {
    auto& numbers = blocks[pattern];
    std::ranges::sort(numbers);
    if (numbers.front() < 0) continue;
    const auto range = number_ranges(numbers);
    pattern.replace(pattern.find("{}"), 2, numbers.size() > 1 ? "{" + range + "}" : range);
  }
  return order;
}

}  // namespace palimpsest
