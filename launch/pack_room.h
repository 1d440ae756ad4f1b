#pragma once

#include <cstdint>
#include <string>

#include "sweeps/study.h"

namespace palimpsest {

/// What the packs of this process are computed on, by --device. A study that computes on the CPU leaves a GPU alone.
void use_device_for(const Study&, const std::string& choice);

/// What packs of this process are computed with, as far as their memory and speed depend on it: the device, and whether steps are recorded on it.
std::string machine_of_packs();

/// What each of the ranks of this host may give to its pack, on that device.
struct PackRoom {
  std::uint64_t bytes = 0;      // of this host's memory, or of the GPU that a rank shares with others
  std::int64_t largest = 16;    // runs
};
PackRoom room_for_packs(int ranks_here);

}  // namespace palimpsest
