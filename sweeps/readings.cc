#include "sweeps/readings.h"

#include <map>

#include "sweeps/cells.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

std::vector<std::string> choosing_keys(const Rows& rows) {
  std::vector<std::string> keys;
  for (const auto& [axis, key] : rows.axis_keys) keys.push_back(key);
  return keys;
}

/// The readings of one metric. Runs of a sweep mostly have the same axes, so where numbers lie is found once.
class OneMetric {
 public:
  OneMetric(const Rows& rows, const Cells& choices) : rows_(rows), choices_(choices) {}
  void add(Reading* reading) { readings_.push_back(reading); }

  void take(std::size_t run, const Measurement& measurement) {
    const std::size_t choice = choices_.of[run];
    if (!begun_ || choice != choice_ || axes_ != measurement.axes) prepare(choice, measurement.axes);
    for (Reading* reading : readings_) reading->take(run, measurement);
  }

 private:
  void prepare(std::size_t choice, const Axes& axes) {
    choice_ = choice;
    Selection chosen = chosen_places(rows_.axis_keys, *choices_.settings[choice], axes);
    if (begun_ && axes_ == axes && chosen_ == chosen) return;
    begun_ = true, axes_ = axes, chosen_ = std::move(chosen);
    for (Reading* reading : readings_) reading->prepare(axes_, chosen_);
  }

  const Rows& rows_;
  const Cells& choices_;   // runs whose settings choose the same places of axes
  std::vector<Reading*> readings_;
  bool begun_ = false;
  std::size_t choice_ = 0;
  Axes axes_;
  Selection chosen_;
};

}  // namespace

void read_together(const Rows& rows, const std::vector<Reading*>& readings) {
  if (readings.empty()) return;
  const Cells choices(rows, choosing_keys(rows));
  std::map<std::string, OneMetric> metrics;
  for (Reading* reading : readings) metrics.try_emplace(reading->metric(), rows, choices).first->second.add(reading);
  Takers takers;
  for (auto& [name, metric] : metrics) takers[name] = [&one = metric](std::size_t run, const Measurement& measurement) { one.take(run, measurement); };
  rows.for_each_measurement(rows.runs, takers);
}

}  // namespace palimpsest
