#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sweeps/comparison.h"
#include "sweeps/csv.h"

namespace palimpsest {

/// A comparison for a terminal, for programs, and as a table with every number.
std::string comparison_text(const std::vector<ComparedStatistic>&);
nlohmann::json comparison_json(const std::vector<ComparedStatistic>&);
Table comparison_table(const std::vector<ComparedStatistic>&);

}  // namespace palimpsest
