#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace palimpsest {

struct PageTrend {
  double statistic = 0;  // L: the sum over doses of the dose's number times its sum of ranks
  double p = 1;          // one-sided: responses that grow with the dose
};

/// Page's test (1963) that responses grow over ordered doses, by ranks within each unit (ties: mean ranks). Exact where
/// there are at most 8 doses and no ties, else by the normal approximation.
PageTrend page_trend(std::span<const double> responses_UD, std::size_t doses);

}  // namespace palimpsest
