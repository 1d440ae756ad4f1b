#pragma once

#include <optional>
#include <span>
#include <string>

#include "sweeps/verdict.h"

namespace palimpsest {

/// Whether responses [units, doses] rise or fall over ordered doses: "rises" or "falls", and the two-sided p of Page's test. None below three of either.
struct DoseTrend {
  std::string word;
  double p = 1;
};
std::optional<DoseTrend> dose_trend(std::span<const double> responses_UD, std::size_t doses);

/// How the effect of a claim of one statistic changes over the values of the one number that it is asked at each of: "rises over noise sd 0.5, 5, 50:
/// p = 0.002 (Page's trend test over 13 units, two-sided, unadjusted)". It describes and decides nothing. Empty where there are fewer than three values
/// or units, or where units grow until claims are decided, when the test would not hold.
std::string dose_response_words(const ClaimResult&);

}  // namespace palimpsest
