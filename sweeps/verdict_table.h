#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sweeps/verdict.h"

namespace palimpsest {

/// Claims as a table for a terminal: verdict, effect with interval, units, adjusted p; the parts of a claim below it,
/// and why.
std::string verdict_table(const std::vector<ClaimResult>&, const std::string& unit, bool colour);

/// The same, with every number, for programs. What is no number is null.
nlohmann::json verdicts_json(const std::vector<ClaimResult>&);

}  // namespace palimpsest
