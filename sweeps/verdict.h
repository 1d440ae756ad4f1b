#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sweeps/claim.h"
#include "sweeps/random_effects.h"
#include "sweeps/rows.h"
#include "sweeps/statistics.h"

namespace palimpsest {

enum class Verdict { kSupported, kContradicted, kNegligible, kUndecided };
std::string word(Verdict);  // "supported", ...

/// One statistic of a claim at one value of its `each` keys.
struct PartResult {
  ClaimPart part;
  std::map<std::string, Value> each;  // empty where the claim has none
  // Each unit with its value, a paired difference or a plain one: the points of the figure.
  std::vector<std::pair<std::int64_t, double>> units;
  double effect = 0;                  // their mean; NaN without units
  Interval interval;                  // t, 95 %
  Interval bca = kUnbounded;          // bootstrap over units, 95 %; without bounds below 20 units
  // Generalised over replicates (and slow weights) too, where there are several and no value is missing: {units, seeds, slow weights}.
  std::vector<std::size_t> levels;
  RandomEffectsMean crossed;
  double p = 1;                       // sign-flip, two-sided
  double p_adjusted = 1;              // what the claim's would be if this part decided it
  double p_equivalence = 1;           // within smallest_effect; 1 where none is given
  double p_equivalence_adjusted = 1;  // likewise
  double g = 0;                       // Hedges'; NaN below three units
  Verdict verdict = Verdict::kUndecided;
  std::int64_t failed_runs = 0, missing_runs = 0, unmeasured_runs = 0, unpaired_runs = 0, left_out_units = 0;
  // Of the effect, when pairs with failed runs take either extreme seen; {effect, effect} where none failed.
  Interval worst_case;
  bool sequential = false;  // interval and p are those of a confidence sequence, valid at every look
  std::string problem;  // why it cannot be computed: an axis or a label that the metric does not have
};

struct ClaimResult {
  Claim claim;
  bool exploratory = false;
  bool withdrawn = false;    // taken out of the definition after a run was done
  bool provisional = false;  // runs it needs are still to come
  Verdict verdict = Verdict::kUndecided;
  double p = 1;                   // of all parts together
  double p_adjusted = 1;          // Holm over the claims of the file; Benjamini-Hochberg over exploratory ones
  std::vector<PartResult> parts;  // parts x each
  std::string why;                // one sentence: what decided, or what is missing
};

/// Judges claims. Missing and failed runs are counted beside each number and never imputed.
///
/// A claim's p is the largest of its parts' (all must hold); where a part points the other way, the smallest p of those
/// times the number of parts (one is enough to contradict). Holm over the claims of the file, those withdrawn among them. All are two-sided, so
/// `supported` and `contradicted` together are wrong about claims without any effect in at most alpha of all sweeps.
///
///  - supported: every part has the sign it claims at its adjusted p, and none is shown to lie within the smallest
///  effect
///  - contradicted: a part has the other sign by the same rule
///  - negligible: a part is shown to lie within the smallest effect (a Holm of its own), and none is contradicted
///  - undecided: otherwise
std::vector<ClaimResult> judge(const Rows&);

class Statistics;
/// The same from what was read already: what these parts read.
std::vector<ClaimResult> judge(const Rows&, const Statistics&);
std::vector<ClaimPart> parts_of_claims(const Rows&);

/// The value of one run for a part. NaN where a number it needs is none. Throws InputError when the measurement has no
/// such axis or label.
double part_value(const ClaimPart&, const Measurement&);

/// The same, each axis that the part leaves open being read at the place a key of the run's settings chooses for it.
///   axis_keys  Study::axis_keys: {"readout", "slow.readout"}
double run_value(ClaimPart part, const Settings&, const Measurement&,
                 const std::map<std::string, std::string>& axis_keys);
Selection chosen_places(const std::map<std::string, std::string>& axis_keys, const Settings&, const std::vector<Axis>&);

}  // namespace palimpsest
