#pragma once

#include <vector>

#include "launch/pair_rounds.h"

namespace palimpsest {

class MpiWorld;

constexpr int kPairSeconds = 10;   // that each two hosts have for it, all together
constexpr const char* kFirstRanks = "PALIMPSEST_FIRST_RANKS";   // launch says there who speaks for which host

/// How each two hosts got on; what rank 0 heard of it.
struct PairTrial {
  std::vector<FirstRank> hosts;
  std::vector<Pair> parted;
  Pair slowest;
  double seconds = 0;   // that the slowest pair took
};

/// Each two hosts add up a vector over MPI, in rounds of disjoint pairs: what MPI itself makes of the network between them, before ranks
/// meet in common and wait for each other without end. Takes milliseconds where all is well, and nothing where launch named no hosts.
/// Rank 0 hears of all; one that others are parted from does not return, but ends with the world.
PairTrial try_pairs(MpiWorld&);

}  // namespace palimpsest
