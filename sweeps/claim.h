#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/settings.h"

namespace palimpsest {

enum class Direction { kGreater, kLess };

/// Words by axis: {{"layers", "early"}, {"noise", "0.3"}}. "layers" is accepted for the axis "layer".
using Selection = std::map<std::string, std::string>;

/// One statistic of a claim and what must hold of it. The value of a run is
///   reduce(metric at `at`), changed: last minus first over `change_axis` (or its log-ratio, or the slope over `trend_axis`),
///   minus the same with `minus` laid over `at`;
/// (a change or log-ratio is formed at each place of the other axes and averaged after that; an axis that `at` does not name is averaged over,
/// unless a key of the definition chooses its place (Study::axis_keys); several words stand between commas, "first,middle,last")
/// then averaged over the replicates within each unit, treatment minus baseline (paired within the unit) where a baseline is given.
struct ClaimPart {
  std::string metric;
  Selection at;
  std::string change_axis;                 // "epoch"; empty: no change
  std::string change_from, change_to;      // labels
  bool log_ratio = false;                  // log(last / first) instead of last - first
  std::string trend_axis;                  // slope by least squares over the numeric labels of this axis
  std::string matched;                     // a change over epochs, compared where treatment and baseline reach the same value of this metric; empty: at its end
  Selection minus;                         // empty: nothing subtracted
  std::map<std::string, Value> treatment, baseline;   // keys of the study; baseline may be empty
  Direction direction = Direction::kGreater;
  double smallest_effect = 0;              // of interest, > 0; 0: none given, never `negligible`
  bool operator==(const ClaimPart&) const = default;
};

/// A claim of a definition; it holds where all its parts hold, at every value of each key in `each`.
struct Claim {
  std::string name;
  std::vector<ClaimPart> parts;            // at least one
  std::vector<std::string> each;
  double alpha = 0.05;                     // familywise, over the claims of a file
  std::string hash;                        // of everything but the name: what the ledger keeps from before the first run
  bool operator==(const Claim&) const = default;
};

/// XXH3-128 of everything a claim says but its name.
std::string claim_hash(const Claim&);

/// A claim as TOML: [[claim]] with its fields, and a [[claim.part]] for each part where there are several.
std::string claim_toml(const Claim&);

}  // namespace palimpsest
