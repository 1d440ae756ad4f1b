#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "runtime/error.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Places = std::vector<std::size_t>;  // of one axis
using Region = std::vector<Places>;       // one per axis of a measurement

std::string quoted_list(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) (out += out.empty() ? "" : ", ") += "\"" + word + "\"";
  return out;
}

bool names(const std::string& word, const std::string& axis) { return word == axis || word == axis + "s"; }

std::size_t axis_named(const Measurement& measurement, const std::string& word) {
  for (std::size_t a = 0; a < measurement.axes.size(); ++a)
    if (names(word, measurement.axes[a].name)) return a;
  std::vector<std::string> known;
  for (const Axis& axis : measurement.axes) known.push_back(axis.name);
  throw InputError("the metric " + measurement.metric + " has no axis \"" + word + "\". Its axes are " +
                   quoted_list(known) + ".");
}

// One word, or several between commas: "first,middle,last".
Places places_of_words(const Axis& axis, const std::string& words, const std::string& metric) {
  if (Places found = places(axis, words); !found.empty()) return found;
  std::set<std::size_t> all;
  for (std::size_t begin = 0; begin <= words.size();) {
    const std::size_t end = std::min(words.find(',', begin), words.size());
    const Places found = places(axis, std::string_view(words).substr(begin, end - begin));
    if (found.empty())
      throw InputError("the axis " + axis.name + " of the metric " + metric + " has no place \"" + words +
                       "\". It has " + quoted_list(axis.labels) + ", and first, middle, last, early, late, all.");
    all.insert(found.begin(), found.end());
    begin = end + 1;
  }
  return {all.begin(), all.end()};
}

Region region_of(const Measurement& measurement, const Selection& at) {
  Region region;
  for (const Axis& axis : measurement.axes) region.push_back(places(axis, "all"));
  for (const auto& [word, places] : at) {
    const std::size_t axis = axis_named(measurement, word);
    region[axis] = places_of_words(measurement.axes[axis], places, measurement.metric);
  }
  return region;
}

/// The values of a region, row-major.
std::vector<double> values_in(const Measurement& measurement, const Region& region) {
  std::vector<std::size_t> offsets = {0};
  for (std::size_t a = 0; a < region.size(); ++a) {
    std::vector<std::size_t> next;
    for (std::size_t offset : offsets)
      for (std::size_t place : region[a]) next.push_back(offset * measurement.axes[a].labels.size() + place);
    offsets = std::move(next);
  }
  std::vector<double> values;
  for (std::size_t offset : offsets) values.push_back(measurement.values.at(offset));
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
  const std::size_t axis = axis_named(measurement, part.change_axis);
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
  const std::size_t axis = axis_named(measurement, part.trend_axis);
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
  const Region region = region_of(measurement, at);
  if (!part.change_axis.empty()) return change(part, measurement, region);
  if (!part.trend_axis.empty()) return trend(part, measurement, region);
  return mean(values_in(measurement, region));
}

/// `minus` laid over `at`: where both name one axis ("layer", "layers"), the word of `minus` stands.
Selection laid_over(const Selection& at, const Selection& minus) {
  Selection both = minus;
  for (const auto& [axis, word] : at) {
    const bool named = std::any_of(minus.begin(), minus.end(),
                                   [&](const auto& m) { return names(m.first, axis) || names(axis, m.first); });
    if (!named) both[axis] = word;
  }
  return both;
}

}  // namespace

double part_value(const ClaimPart& part, const Measurement& measurement) {
  const double value = statistic(part, measurement, part.at);
  const double all = part.minus.empty() ? value : value - statistic(part, measurement, laid_over(part.at, part.minus));
  return std::isfinite(all) ? all : kNaN;
}

Selection with_readout(Selection at, const Settings& settings, const Measurement& measurement) {
  for (const Axis& axis : measurement.axes)
    if (axis.name == "readout" && !at.contains("readout") && settings.has("slow.readout"))
      if (const auto& primary = settings.string("slow.readout"); !places(axis, primary).empty())
        at["readout"] = primary;
  return at;
}

double run_value(ClaimPart part, const Settings& settings, const Measurement& measurement) {
  part.at = with_readout(part.at, settings, measurement);
  return part_value(part, measurement);
}

}  // namespace palimpsest
