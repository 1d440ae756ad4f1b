#pragma once

#include <string>

#include "sweeps/verdict.h"

namespace palimpsest {

/// How the effect of a claim of one statistic changes over the values of the one number that it is asked at each of: "rises over noise sd 0.5, 5, 50:
/// p = 0.002 (Page's trend test over 13 units, two-sided, unadjusted)". It describes and decides nothing. Empty where there are fewer than three values
/// or units, or where units grow until claims are decided, when the test would not hold.
std::string dose_response_words(const ClaimResult&);

}  // namespace palimpsest
