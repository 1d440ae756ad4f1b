#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace palimpsest {

/// Keys with those that differ in the number of a block alone drawn together: "blocks.{0-11}.norm1.weight". In the
/// order of the first of each.
std::vector<std::string> key_ranges(const std::vector<std::string>& keys);

/// The number of a block in a key, and the key with "{}" in its place; -1 where it has none.
struct BlockKey {
  std::string pattern;
  std::int64_t block = -1;
};
BlockKey block_key(const std::string& key);

/// {0, 1, 2, 5} as "0-2,5".
std::string number_ranges(const std::vector<std::int64_t>& sorted);

}  // namespace palimpsest
