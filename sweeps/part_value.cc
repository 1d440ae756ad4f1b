#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "runtime/error.h"
#include "sweeps/region.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> values_in(const Measurement& measurement, const Region& region) {
  std::vector<double> values;
  for (std::size_t offset : offsets_in(measurement.axes, region)) values.push_back(measurement.values.at(offset));
  return values;
}

Region at_one_place(const Measurement& measurement, Region region, std::size_t axis, const std::string& word) {
  region[axis] = places_of_words(measurement.axes[axis], word, measurement.metric);
  if (region[axis].size() != 1)
    throw InputError("a change of " + measurement.metric + " over " + measurement.axes[axis].name +
                     " needs one place at each end, but \"" + word + "\" means " + std::to_string(region[axis].size()) +
                     ".");
  return region;
}

// Differences and log-ratios are formed at each place of the other axes, and averaged after that.
double change(const ClaimPart& part, const Measurement& measurement, const Region& region) {
  const std::size_t axis = axis_named(part.change_axis, measurement.axes, measurement.metric);
  const auto from = values_in(measurement, at_one_place(measurement, region, axis, part.change_from));
  const auto to = values_in(measurement, at_one_place(measurement, region, axis, part.change_to));
  std::vector<double> changes;
  for (std::size_t i = 0; i < from.size(); ++i)
    changes.push_back(part.log_ratio ? std::log(to[i] / from[i]) : to[i] - from[i]);
  return mean(changes);
}

double label_number(const Axis& axis, std::size_t place) {
  const std::string& label = axis.labels[place];
  double value = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), value);
  if (error != std::errc{} || end != label.data() + label.size())
    throw InputError("a trend over " + axis.name + " needs numbers as labels, but one is \"" + label + "\".");
  return value;
}

double slope(const std::vector<double>& x, const std::vector<double>& y) {
  const double x0 = mean(x), y0 = mean(y);
  double xy = 0, xx = 0;
  for (std::size_t i = 0; i < x.size(); ++i) xy += (x[i] - x0) * (y[i] - y0), xx += (x[i] - x0) * (x[i] - x0);
  return xy / xx;
}

double trend(const ClaimPart& part, const Measurement& measurement, const Region& region) {
  const std::size_t axis = axis_named(part.trend_axis, measurement.axes, measurement.metric);
  if (region[axis].size() < 2)
    throw InputError("a trend of " + measurement.metric + " over " + measurement.axes[axis].name +
                     " needs two places or more, but there is one.");
  std::vector<double> x, y;
  for (std::size_t place : region[axis]) {
    Region here = region;
    here[axis] = {place};
    x.push_back(label_number(measurement.axes[axis], place));
    y.push_back(mean(values_in(measurement, here)));
  }
  return slope(x, y);
}

double statistic(const ClaimPart& part, const Measurement& measurement, const Selection& at) {
  const Region region = region_of(measurement.axes, at, measurement.metric);
  if (!part.change_axis.empty()) return change(part, measurement, region);
  if (!part.trend_axis.empty()) return trend(part, measurement, region);
  return mean(values_in(measurement, region));
}

bool names(const Selection& selection, const std::string& axis) {
  return std::any_of(selection.begin(), selection.end(), [&](const auto& one) { return names_axis(one.first, axis); });
}

// Where both name one axis ("layer", "layers"), the word of `minus` stands.
Selection laid_over(const Selection& at, const Selection& minus, const std::vector<Axis>& axes) {
  Selection both = minus;
  for (const auto& [word, where] : at)
    for (const Axis& axis : axes)
      if (names_axis(word, axis.name) && !names(minus, axis.name)) both[word] = where;
  return both;
}

}  // namespace

double part_value(const ClaimPart& part, const Measurement& measurement) {
  double value = statistic(part, measurement, part.at);
  if (!part.minus.empty()) value -= statistic(part, measurement, laid_over(part.at, part.minus, measurement.axes));
  return std::isfinite(value) ? value : kNaN;
}

Selection chosen_places(const std::map<std::string, std::string>& axis_keys, const Settings& settings,
                        const std::vector<Axis>& axes) {
  Selection chosen;
  for (const Axis& axis : axes) {
    const auto key = axis_keys.find(axis.name);
    if (key == axis_keys.end() || !settings.has(key->second)) continue;
    const std::string& place = settings.string(key->second);
    if (!places(axis, place).empty()) chosen[axis.name] = place;
  }
  return chosen;
}

double run_value(ClaimPart part, const Settings& settings, const Measurement& measurement,
                 const std::map<std::string, std::string>& axis_keys) {
  for (const auto& [axis, place] : chosen_places(axis_keys, settings, measurement.axes)) {
    const bool free = !names(part.at, axis) && !names(part.minus, axis) && !names_axis(part.change_axis, axis) &&
                      !names_axis(part.trend_axis, axis);
    if (free) part.at[axis] = place;
  }
  return part_value(part, measurement);
}

}  // namespace palimpsest
