#pragma once

#include <string>
#include <vector>

#include "sweeps/comparison.h"

namespace palimpsest {

/// A comparison as one HTML file that needs no network: for each statistic what the two sweeps do over noise levels, each unit as a point, and
/// whether that is alike.
std::string comparison_page(const std::vector<ComparedStatistic>&);

}  // namespace palimpsest
