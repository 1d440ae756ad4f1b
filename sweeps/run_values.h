#pragma once

#include <string>
#include <vector>

#include "sweeps/claim.h"
#include "sweeps/pairing.h"
#include "sweeps/rows.h"

namespace palimpsest {

/// What the runs have of one statistic.
struct PartValues {
  RunValues values;
  std::string problem;  // why it cannot be read; empty where it can
};

/// The value of every run for each part; measurements are gone through once.
std::vector<PartValues> read_values(const Rows&, const std::vector<ClaimPart>&);

}  // namespace palimpsest
