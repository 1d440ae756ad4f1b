#pragma once

#include <string>
#include <vector>

#include "sweeps/claim.h"
#include "sweeps/ledger.h"
#include "sweeps/statistics.h"

namespace palimpsest {

enum class Verdict { kSupported, kContradicted, kNegligible, kUndecided };
std::string word(Verdict);   // "supported", ...

/// One statistic of a claim at one value of its `each` keys.
struct PartResult {
  ClaimPart part;
  std::map<std::string, Value> each;           // empty where the claim has none
  std::vector<std::pair<std::int64_t, double>> units;   // unit and its value (paired difference or plain), the points of the figure
  double effect = 0;                           // their mean
  Interval interval;                           // t, 95 %
  double p = 1;                                // sign-flip, two-sided
  double p_equivalence = 1;                    // within smallest_effect; 1 where none is given
  double g = 0;
  std::int64_t failed_runs = 0, missing_runs = 0, left_out_units = 0;
  Interval worst_case;                         // bounds of the effect when failed runs count for either extreme seen; equal to {effect, effect} where none failed
};

struct ClaimResult {
  Claim claim;
  bool exploratory = false;
  Verdict verdict = Verdict::kUndecided;
  double p_adjusted = 1;                       // Holm over the claims of the file; Benjamini-Hochberg over exploratory ones
  std::vector<PartResult> parts;               // parts x each
  std::string why;                             // one sentence: what decided, or what is missing
};

/// Judges the claims of a ledger from its rows. Missing and failed runs are counted beside each number and never imputed.
std::vector<ClaimResult> judge(const Ledger&);

/// The value of one run for a part: exposed so that the report, tests and the export's check share it. Throws InputError when the
/// measurement has no such axis or label.
double part_value(const ClaimPart&, const Measurement&);

}  // namespace palimpsest
