#pragma once

#include <cstddef>
#include <vector>

#include "sweeps/pairing.h"

namespace palimpsest {

/// The points of the grid and the runs of each: what a claim asks of a run is asked once for all runs of a cell.
struct Cells {
  explicit Cells(const Rows& rows) : Cells(rows, rows.axes) {}
  Cells(const Rows&, const std::vector<std::string>& keys);   // runs told apart by these alone
  std::vector<std::size_t> of;            // by run
  std::vector<const Settings*> settings;  // by cell
};

/// Cells that are compared: they agree in every axis that the part does not name and that exists on both sides. A cell is in several where an axis
/// exists on the other side alone; where nothing on the other side agrees, one side is empty.
struct Compared {
  Condition each;                                 // of the keys asked for
  std::string slow_weights;                       // where the sweep has several and the part does not name them
  std::vector<std::size_t> treatment, baseline;   // cells
  bool one_sided(const ClaimPart& part) const { return treatment.empty() || (!part.baseline.empty() && baseline.empty()); }
};
std::vector<Compared> compared_cells(const Rows&, const Cells&, const ClaimPart&, const std::vector<std::string>& each);

/// The pairs of those that are at `each`.
std::vector<Pair> pairs_of(const Rows&, const Cells&, const ClaimPart&, const Condition& each);

}  // namespace palimpsest
