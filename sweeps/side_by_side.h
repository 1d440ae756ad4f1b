#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "runtime/crew.h"
#include "runtime/host_cores.h"

namespace palimpsest {

/// Calls work(0) ... work(count - 1), as many at a time as there are cores, but `most`. Throws what one of them threw.
template <class Work>
void side_by_side(std::size_t count, int most, const Work& work) {
  std::atomic<std::size_t> next = 0;
  Crew(std::clamp(std::min(static_cast<int>(count), most), 1, host_cores().usable())).each([&](int) {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  });
}

}  // namespace palimpsest
