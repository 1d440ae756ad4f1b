#pragma once

// What reads bytes that may be anything: definitions, files, messages, ledgers. Each target takes them as its reader would get them; an Error with
// its sentence is right, anything else that comes out is a mistake of ours.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace palimpsest {

using Bytes = std::span<const std::byte>;

struct FuzzTarget {
  const char* name;             // and of its folder under tests/fuzz/corpus
  void (*read)(Bytes);
  std::size_t largest;          // bytes of an input worth trying
};

const std::vector<FuzzTarget>& fuzz_targets();

}  // namespace palimpsest
