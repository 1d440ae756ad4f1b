#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "sweeps/ledger.h"
#include "sweeps/swept_when.h"

namespace palimpsest {

/// What claims are judged and figures drawn from: the rows of a ledger, or rows made up by a test.
struct Rows {
  std::string unit = "image_set";                // of inference: "image_set" or "seed"
  std::map<std::string, std::string> axis_keys;  // Study::axis_keys
  std::vector<std::string> axes;                 // keys of the grid: what distinguishes conditions
  std::vector<LedgerRun> runs;                   // those asked for, in whatever state
  std::vector<LedgerClaim> claims;
  std::optional<Replication> replication;        // units are added until claims are decided: verdicts stand up to looking
  /// What those of these runs that are done measured, run after run, in the order of the plan. Different metrics may be taken by different threads.
  std::function<void(std::span<const LedgerRun>, const Takers&)> for_each_measurement;
  Whens when = {};                               // where axes exist that do not everywhere
  std::vector<Slice> slices = {{}};              // of the sweep that are here
  std::vector<std::int64_t> units_asked = {};    // Ledger::units_asked
  std::map<std::string, std::string> matchable = {};   // Study::matchable
};

/// The rows of a ledger; measurements are read when asked for, so the ledger must outlive them.
Rows rows_of(const Ledger&, const Study&);

inline std::int64_t unit_of(const Rows& rows, const LedgerRun& run) {
  return rows.unit == "seed" ? run.spec.seed : run.spec.image_set;
}
/// The other one of image set and seed: crossed with the unit, and averaged over.
inline std::int64_t replicate_of(const Rows& rows, const LedgerRun& run) {
  return rows.unit == "seed" ? run.spec.image_set : run.spec.seed;
}

}  // namespace palimpsest
