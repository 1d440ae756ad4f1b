#pragma once

#include <cstddef>
#include <vector>

#include "sweeps/pairing.h"

namespace palimpsest {

/// The points of the grid and the runs of each: what a claim asks of a run is asked once for all runs of a cell.
struct Cells {
  explicit Cells(const Rows&);
  std::vector<std::size_t> of;            // by run
  std::vector<const Settings*> settings;  // by cell
};
std::vector<Pair> pairs_of(const Rows&, const Cells&, const ClaimPart&, const Condition& each);

}  // namespace palimpsest
