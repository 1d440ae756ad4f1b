#pragma once

#include <algorithm>
#include <chrono>

#include "runtime/silence.h"

namespace palimpsest {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kGather{500};     // letters that come within it are taken together: one commit, one message
constexpr std::chrono::milliseconds kStopLimit{9000}; // from a stop signal to the end of the process, come what may

/// Between two signs of life of a worker: a second, and longer where more than 2,000 of them would come in one; several fit into a limit of more than a few seconds.
inline std::chrono::milliseconds beat_interval(int world_size) {
  constexpr std::chrono::milliseconds second{1000};
  const std::chrono::milliseconds longest = silence_limit() / 6;
  return std::max(second, std::min(std::chrono::milliseconds(world_size / 2), longest));
}

/// Says yes once in an interval, at the first question: for what walks over all workers, or looks at a folder that may lie far away.
class Once {
 public:
  explicit Once(std::chrono::milliseconds every) : every_(every) {}
  bool due() {
    const auto now = SteadyClock::now();
    if (now < next_) return false;
    next_ = now + every_;
    return true;
  }

 private:
  const std::chrono::milliseconds every_;
  SteadyClock::time_point next_;
};

/// How long to wait for the next message: MPI has no call that sleeps, so we look, rest, and rest longer while nothing comes.
class Rest {
 public:
  std::chrono::microseconds next(bool something_came) {
    if (something_came) return rest_ = std::chrono::microseconds(0);
    return rest_ = std::min(rest_ + std::chrono::microseconds(50), std::chrono::microseconds(2000));
  }

 private:
  std::chrono::microseconds rest_{0};
};

}  // namespace palimpsest
