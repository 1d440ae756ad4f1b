#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "runtime/error.h"
#include "sweeps/part_reader.h"
#include "sweeps/region.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Offsets = std::vector<std::size_t>;

double mean_at(const Measurement& measurement, const Offsets& offsets) {
  double sum = 0;
  for (std::size_t offset : offsets) sum += measurement.values[offset];
  return offsets.empty() ? kNaN : sum / static_cast<double>(offsets.size());
}

Region at_one_place(const std::vector<Axis>& axes, const std::string& metric, Region region, std::size_t axis,
                    const std::string& word) {
  region[axis] = places_of_words(axes[axis], word, metric);
  if (region[axis].size() != 1)
    throw InputError("a change of " + metric + " over " + axes[axis].name + " needs one place at each end, but \"" + word +
                     "\" means " + std::to_string(region[axis].size()) + ".");
  return region;
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

// Differences and log-ratios are formed at each place of the other axes, and averaged after that.
StatisticPlaces change(const ClaimPart& part, const std::vector<Axis>& axes, const Region& region) {
  const std::size_t axis = axis_named(part.change_axis, axes, part.metric);
  StatisticPlaces out;
  out.kind = part.log_ratio ? StatisticPlaces::kLogRatio : StatisticPlaces::kDifference;
  for (const auto& word : {part.change_from, part.change_to})
    out.offsets.push_back(offsets_in(axes, at_one_place(axes, part.metric, region, axis, word)));
  return out;
}

StatisticPlaces trend(const ClaimPart& part, const std::vector<Axis>& axes, const Region& region) {
  const std::size_t axis = axis_named(part.trend_axis, axes, part.metric);
  if (region[axis].size() < 2)
    throw InputError("a trend of " + part.metric + " over " + axes[axis].name + " needs two places or more, but there is one.");
  StatisticPlaces out;
  out.kind = StatisticPlaces::kSlope;
  for (std::size_t place : region[axis]) {
    Region here = region;
    here[axis] = {place};
    out.x.push_back(label_number(axes[axis], place));
    out.offsets.push_back(offsets_in(axes, here));
  }
  return out;
}

StatisticPlaces statistic(const ClaimPart& part, const std::vector<Axis>& axes, const Selection& at) {
  const Region region = region_of(axes, at, part.metric);
  if (!part.change_axis.empty()) return change(part, axes, region);
  if (!part.trend_axis.empty()) return trend(part, axes, region);
  StatisticPlaces out;
  out.offsets.push_back(offsets_in(axes, region));
  return out;
}

double value_at(const StatisticPlaces& places, const Measurement& measurement) {
  if (places.kind == StatisticPlaces::kMean) return mean_at(measurement, places.offsets[0]);
  if (places.kind == StatisticPlaces::kSlope) {
    std::vector<double> y;
    for (const Offsets& offsets : places.offsets) y.push_back(mean_at(measurement, offsets));
    return slope(places.x, y);
  }
  const Offsets &from = places.offsets[0], &to = places.offsets[1];
  double sum = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const double first = measurement.values[from[i]], last = measurement.values[to[i]];
    sum += places.kind == StatisticPlaces::kLogRatio ? std::log(last / first) : last - first;
  }
  return from.empty() ? kNaN : sum / static_cast<double>(from.size());
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

PartReader::PartReader(ClaimPart part) : part_(std::move(part)) {}

void PartReader::prepare(const std::vector<Axis>& axes, const Selection& chosen) {
  ClaimPart part = part_;
  for (const auto& [axis, place] : chosen) {
    const bool free = !names(part.at, axis) && !names(part.minus, axis) && !names_axis(part.change_axis, axis) &&
                      !names_axis(part.trend_axis, axis);
    if (free) part.at[axis] = place;
  }
  value_ = statistic(part, axes, part.at);
  subtracted_.reset();
  if (!part.minus.empty()) subtracted_ = statistic(part, axes, laid_over(part.at, part.minus, axes));
  if (!part.matched.empty()) prepare_course(part, axes);
}

void PartReader::prepare_course(ClaimPart part, const std::vector<Axis>& axes) {
  const Axis& axis = axes[axis_named(part.change_axis, axes, part.metric)];
  const auto from = places_of_words(axis, part.change_from, part.metric).front(), to = places_of_words(axis, part.change_to, part.metric).front();
  if (from > to) throw InputError("a matched change of " + part.metric + " goes forward, but " + part.change_from + " comes after " + part.change_to + ".");
  part.matched.clear();
  x_ = {label_number(axis, from)}, ends_.clear();
  for (std::size_t place = from + 1; place <= to; ++place) {
    part.change_to = axis.labels[place];
    x_.push_back(label_number(axis, place));
    ends_.emplace_back(part).prepare(axes, {});
  }
}

Course PartReader::course(const Measurement& measurement) const {
  Course course{x_, {0.0}};
  for (const PartReader& end : ends_) course.y.push_back(end(measurement));
  return course;
}

double PartReader::operator()(const Measurement& measurement) const {
  double value = value_at(value_, measurement);
  if (subtracted_) value -= value_at(*subtracted_, measurement);
  return std::isfinite(value) ? value : kNaN;
}

double part_value(const ClaimPart& part, const Measurement& measurement) {
  PartReader reader(part);
  reader.prepare(measurement.axes, {});
  return reader(measurement);
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
  PartReader reader(std::move(part));
  reader.prepare(measurement.axes, chosen_places(axis_keys, settings, measurement.axes));
  return reader(measurement);
}

}  // namespace palimpsest
