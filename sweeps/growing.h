#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sweeps/plan.h"
#include "sweeps/rows.h"

namespace palimpsest {

/// A sweep whose units grow until its claims are decided, as far as results have brought it.
struct Growth {
  std::vector<std::int64_t> asked;  // numbers of the plan, ascending
  std::int64_t units = 0;           // that open claims have by now
  std::vector<std::string> open;    // claims that were undecided when last judged
  bool ended = false;               // every claim is decided, or no unit is left to add
};

/// Replays the growth of a sweep from its results alone: the first units, a verdict when all their runs are through, a batch of
/// those conditions that open claims compare, a verdict, and so on. So it is the same on any number of ranks, and after any interruption.
///   rows  every run that has a result, whether it is asked for at present or not
Growth grown(const Plan&, Rows rows);

}  // namespace palimpsest
