#pragma once

#include <filesystem>
#include <vector>

#include "sweeps/ledger.h"
#include "sweeps/verdict.h"

namespace palimpsest {

/// Writes `report.html` (one file that opens from disk without a network), `figures/*.svg` (where vl-convert is at hand) and
/// `tables/*.csv` into the results folder, and returns the claims as judged.
std::vector<ClaimResult> write_report(const Ledger&, const std::filesystem::path& folder);

}  // namespace palimpsest
