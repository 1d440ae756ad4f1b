#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "sweeps/claim.h"
#include "sweeps/matched_courses.h"
#include "sweeps/verdict.h"

namespace palimpsest {

/// Where in a measurement the numbers of a statistic lie.
struct StatisticPlaces {
  enum Kind { kMean, kDifference, kLogRatio, kSlope } kind = kMean;
  std::vector<std::vector<std::size_t>> offsets;  // one list; {from, to}; or one for each x
  std::vector<double> x;                          // of a slope
};

/// Reads a part's statistic off measurements: the places are found once for all runs that measured over the same axes.
class PartReader {
 public:
  explicit PartReader(ClaimPart part);
  /// chosen: places of axes that the part leaves open (chosen_places). Throws InputError when the measurement has no
  /// such axis or label.
  void prepare(const std::vector<Axis>&, const Selection& chosen);
  double operator()(const Measurement&) const;  // NaN where a number it needs is none
  /// Of a matched part: its statistic as if its change ended at each place on the way. It begins with 0.
  Course course(const Measurement&) const;

 private:
  void prepare_course(ClaimPart, const std::vector<Axis>&);

  ClaimPart part_;
  StatisticPlaces value_;
  std::optional<StatisticPlaces> subtracted_;
  std::vector<double> x_;         // of a matched part's course
  std::vector<PartReader> ends_;  // with its change up to each of these but the first
};

}  // namespace palimpsest
