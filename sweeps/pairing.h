#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "sweeps/claim.h"
#include "sweeps/condition.h"
#include "sweeps/matched_courses.h"
#include "sweeps/rows.h"
#include "sweeps/statistics.h"

namespace palimpsest {

/// What is compared within a unit: runs that agree in the replicate and in every key of the grid that the claim does
/// not name and that exists on both sides: one that exists on one side alone has each of its values compared with the
/// other side's runs. Without a baseline, the runs of one side alone.
struct Pair {
  std::int64_t unit = 0, replicate = 0;
  std::string slow_weights;  // where the sweep has several and the claim does not name them
  std::vector<const LedgerRun*> treatment, baseline;
};
bool one_sided(const Pair&, bool has_baseline);   // it has runs on one side alone
std::vector<Pair> pairs_of(const Rows&, const ClaimPart&, const Condition& each);

/// The value of each run that was measured; NaN where it is no number (the run diverged). Runs are those of these rows, where they lie now.
class RunValues {
 public:
  explicit RunValues(const std::vector<LedgerRun>& runs) : first_(runs.data()), values_(runs.size()) {}
  std::optional<double>& at(std::size_t place) { return values_[place]; }
  const std::optional<double>& of(const LedgerRun& run) const { return values_[place_of(run)]; }

  /// Where conditions are matched: how a run comes to its value, and its lowest loss on the way. Values of pairs are differences at equal loss then.
  void match() { changes_.resize(values_.size()), losses_.resize(values_.size()); }
  bool matched() const { return !changes_.empty(); }
  Course& change_at(std::size_t place) { return changes_[place]; }
  Course& loss_at(std::size_t place) { return losses_[place]; }
  const Course& change_of(const LedgerRun& run) const { return changes_[place_of(run)]; }
  const Course& loss_of(const LedgerRun& run) const { return losses_[place_of(run)]; }

 private:
  std::size_t place_of(const LedgerRun& run) const { return static_cast<std::size_t>(&run - first_); }

  const LedgerRun* first_;
  std::vector<std::optional<double>> values_;
  std::vector<Course> changes_, losses_;
};

/// Pairs averaged within their units. A pair counts when all its runs have a value; a unit when one of its pairs does.
struct PairedUnits {
  std::vector<std::pair<std::int64_t, double>> units;  // sorted by unit
  std::int64_t failed_runs = 0;                        // failed, or diverged in this metric
  std::int64_t missing_runs = 0;                       // not done yet
  std::int64_t unmeasured_runs = 0;                    // done, but without this metric
  std::int64_t unpaired_runs = 0;                      // with nothing on the other side to be compared with
  std::int64_t left_out_units = 0;                     // without a whole pair
  // Where every unit has a value for every replicate (and every slow weights): those values, the last factor fastest.
  std::vector<double> crossing;
  std::vector<std::size_t> levels;
  Interval
      worst_case;  // of the mean over units, when pairs with failed runs take the lowest, or the highest, value seen
};
PairedUnits paired_units(const std::vector<Pair>&, bool has_baseline, const RunValues&);

}  // namespace palimpsest
