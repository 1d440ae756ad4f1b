#pragma once

#include <chrono>
#include <cstdlib>

namespace palimpsest {

/// How long nothing may be heard of a rank before it is taken for lost, in a sweep as in pretraining: 20 s, so that a loss is known within 30 s;
/// PALIMPSEST_SILENCE, in seconds, says otherwise.
inline std::chrono::seconds silence_limit() {
  static const char* const given = std::getenv("PALIMPSEST_SILENCE");
  return std::chrono::seconds(given ? std::atoi(given) : 20);
}

}  // namespace palimpsest
