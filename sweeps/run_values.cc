#include "sweeps/run_values.h"

#include <algorithm>

#include "runtime/error.h"

namespace palimpsest {

ClaimPart statistic_of(ClaimPart part) {
  part.treatment.clear(), part.baseline.clear();
  part.direction = {}, part.smallest_effect = 0;
  return part;
}

StatisticReading::StatisticReading(const Rows& rows, const ClaimPart& statistic)
    : Reading(statistic.metric), statistic_(statistic), read_(statistic), found_{RunValues(rows.runs), ""} {
  if (!statistic.matched.empty()) found_.values.match();
}

/// Place i holds the loss before step i + 1: after i steps.
void LossReading::take(std::size_t run, const Measurement& measurement) {
  const Settings& settings = rows_.runs[run].spec.settings;
  const double steps = settings.has(steps_key_) ? static_cast<double>(settings.integer(steps_key_)) : 1.0;
  Course course;
  for (std::size_t i = 0; i < measurement.values.size(); ++i) course.x.push_back(static_cast<double>(i) / steps), course.y.push_back(measurement.values[i]);
  found_.loss_at(run) = lowest_so_far(course);
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
    if (const auto statistic = statistic_of(part); std::ranges::find(readings_, statistic, &StatisticReading::statistic) == readings_.end()) {
      auto& reading = readings_.emplace_back(rows, statistic);
      if (!statistic.matched.empty()) losses_.emplace_back(rows, statistic.matched, reading.values());
    }
}

std::vector<Reading*> Statistics::readings() {
  std::vector<Reading*> all;
  for (StatisticReading& one : readings_) all.push_back(&one);
  for (LossReading& one : losses_) all.push_back(&one);
  return all;
}

const PartValues& Statistics::of(const ClaimPart& part) const { return std::ranges::find(readings_, statistic_of(part), &StatisticReading::statistic)->found(); }

}  // namespace palimpsest
