#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launch/host_list.h"

namespace palimpsest {

/// The first rank of a host of the world: it speaks for its host.
struct FirstRank {
  int rank = 0;
  std::string host;
  bool operator==(const FirstRank&) const = default;
};

/// Where ranks fill host after host; none where there are more of them than slots, since then they are dealt out otherwise.
std::vector<FirstRank> first_ranks(const std::vector<Host>&, int ranks);

// As "0 node1 4 node2", for the environment of ranks.
std::string encode(const std::vector<FirstRank>&);
std::vector<FirstRank> first_ranks_in(const std::string& text);

/// Rounds in which each two of `count` meet once, each with one other at a time; at most 255 rounds, so that a process of a large world
/// does not run out of open files.
int rounds_among(int count);

/// Whom `me` meets in a round; nobody where the number of hosts is odd and it sits out.
std::optional<int> partner_in(int round, int me, int count);

using Pair = std::pair<int, int>;   // places in a list of hosts

/// What is wrong and what to do, where pairs got nothing through; empty where there are none.
std::string parted_text(const std::vector<Pair>& parted, const std::vector<FirstRank>&, int seconds);

}  // namespace palimpsest
