#include "sweeps/run_values.h"

#include <algorithm>

#include "runtime/error.h"

namespace palimpsest {

ClaimPart statistic_of(ClaimPart part) {
  part.treatment.clear(), part.baseline.clear();
  part.direction = {}, part.smallest_effect = 0;
  return part;
}

void StatisticReading::prepare(const std::vector<Axis>& axes, const Selection& chosen) {
  try {
    read_.prepare(axes, chosen);
    sound_ = true;
  } catch (const InputError& error) {
    found_.problem = error.what();
    sound_ = false;
  }
}

Statistics::Statistics(const Rows& rows, const std::vector<ClaimPart>& parts) {
  for (const ClaimPart& part : parts)
    if (const auto statistic = statistic_of(part); std::ranges::find(readings_, statistic, &StatisticReading::statistic) == readings_.end())
      readings_.emplace_back(rows, statistic);
}

std::vector<Reading*> Statistics::readings() {
  std::vector<Reading*> all;
  for (StatisticReading& one : readings_) all.push_back(&one);
  return all;
}

const PartValues& Statistics::of(const ClaimPart& part) const { return std::ranges::find(readings_, statistic_of(part), &StatisticReading::statistic)->found(); }

}  // namespace palimpsest
