#pragma once

#include <string_view>
#include <vector>

#include "runtime/random_stream.h"

namespace palimpsest {

/// The streams of a batch's images for one purpose.
inline std::vector<RandomStream> children(const std::vector<RandomStream>& streams, std::string_view what) {
  std::vector<RandomStream> out;
  for (const RandomStream& stream : streams) out.push_back(stream.child(purpose(what)));
  return out;
}

}  // namespace palimpsest
