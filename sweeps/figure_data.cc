#include "sweeps/figure_data.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "runtime/error.h"
#include "sweeps/cells.h"
#include "sweeps/html.h"
#include "sweeps/region.h"
#include "sweeps/statistics.h"

namespace palimpsest {
namespace {

constexpr std::size_t kMostPlaces = 60;  // of an x axis that are drawn; a long training curve is thinned evenly
constexpr std::size_t kFewestForBand = 3;  // units: the t interval of two reaches far beyond any axis
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool is_number(const std::string& label) {
  double value = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), value);
  return error == std::errc{} && end == label.data() + label.size();
}

std::vector<Condition> seen_conditions(const Rows& rows, const std::vector<std::string>& keys) {
  const Cells cells(rows, keys);
  std::set<Condition> seen;
  for (const Settings* settings : cells.settings) seen.insert(condition_of(*settings, keys));
  if (seen.empty()) seen.insert(Condition{});
  return {seen.begin(), seen.end()};
}

/// Sum and number of finite values, for each cell of a unit.
struct Sums {
  std::vector<double> sum;
  std::vector<int> count;
  bool any() const { return !sum.empty(); }   // a run of it was measured
  double mean(std::size_t i) const { return count[i] ? sum[i] / count[i] : kNaN; }
};

std::size_t index_in(const std::vector<Condition>& conditions, const Settings& settings) {
  const auto found =
      std::find_if(conditions.begin(), conditions.end(), [&](const Condition& c) { return holds(settings, c); });
  return static_cast<std::size_t>(found - conditions.begin());
}

/// A unit under a condition: the runs that are averaged. By colour, other, unit.
using Course = std::tuple<std::size_t, std::size_t, std::int64_t>;

/// The course of each run.
struct Courses {
  std::vector<Course> all;         // sorted
  std::vector<std::uint32_t> of;   // by run

  Courses(const Rows& rows, const FigureConditions& conditions) {
    const Cells cells(rows);
    std::vector<std::pair<std::size_t, std::size_t>> places;   // of each cell
    for (const Settings* settings : cells.settings) places.emplace_back(index_in(conditions.colours, *settings), index_in(conditions.others, *settings));
    std::map<Course, std::uint32_t> numbers;
    for (std::size_t i = 0; i < rows.runs.size(); ++i) numbers[course(rows, places[cells.of[i]], i)] = 0;
    for (auto& [course, number] : numbers) number = static_cast<std::uint32_t>(all.size()), all.push_back(course);
    for (std::size_t i = 0; i < rows.runs.size(); ++i) of.push_back(numbers[course(rows, places[cells.of[i]], i)]);
  }

 private:
  static Course course(const Rows& rows, const std::pair<std::size_t, std::size_t>& place, std::size_t run) { return {place.first, place.second, unit_of(rows, rows.runs[run])}; }
};

std::vector<FigureSeries> series_of(const Courses& courses, const std::vector<Sums>& sums, const Figure& figure) {
  std::map<std::tuple<std::size_t, std::size_t, std::size_t, std::size_t>, FigureSeries> series;
  const std::size_t places = figure.x.size(), splits = figure.splits.size();
  for (std::size_t c = 0; c < sums.size(); ++c) {
    if (!sums[c].any()) continue;
    const auto [colour, other, unit] = courses.all[c];
    for (std::size_t line = 0; line < figure.panels.size() * splits; ++line) {
      FigureSeries& one = series[{colour, other, line / splits, line % splits}];
      one.colour = colour, one.other = other, one.panel = line / splits, one.split = line % splits;
      std::vector<double> course;
      for (std::size_t x = 0; x < places; ++x) course.push_back(sums[c].mean(line * places + x));
      one.units.emplace_back(unit, std::move(course));
    }
  }
  std::vector<FigureSeries> out;
  for (auto& [key, one] : series) {
    summarise(one, places);
    out.push_back(std::move(one));
  }
  return out;
}

/// A figure while measurements are gone through: panels and x are those of the run that has most places along x.
class Drawing : public Reading {
 public:
  Drawing(const Courses& courses, const FigureInfo& info, const std::vector<MetricInfo>& metrics) : Reading(info.metric), courses_(courses), sums_(courses.all.size()) {
    figure_.info = info;
    figure_.slug = slug(info.title);
    for (const MetricInfo& metric : metrics)
      if (metric.name == info.metric) figure_.unit_of_values = metric.unit, figure_.meaning = metric.meaning;
  }

  void prepare(const std::vector<Axis>& axes, const Selection& chosen) override {
    if (!figure_.problem.empty()) return;
    try {
      if (axes[axis_named(figure_.info.x, axes, metric())].labels.size() > figure_.places) begin_with(axes);
      find_points(axes, chosen);
    } catch (const InputError& error) {
      figure_.problem = "It cannot be drawn: " + std::string(error.what());
    }
  }

  void take(std::size_t run, const Measurement& measurement) override {
    if (!figure_.problem.empty()) return;
    any_ = true;
    Sums& sums = sums_[courses_.of[run]];
    if (!sums.any()) sums.sum.resize(cells()), sums.count.resize(cells());
    for (const Point& point : points_) {
      const double value = average(measurement, point);
      if (std::isfinite(value)) sums.sum[point.cell] += value, ++sums.count[point.cell];
    }
  }

  /// Runs had gone by when one came that has more places.
  bool incomplete() const { return incomplete_ && figure_.problem.empty(); }
  void begin_again() { forget(), incomplete_ = false; }

  Figure drawn() {
    if (figure_.problem.empty()) figure_.series = series_of(courses_, sums_, figure_);
    if (figure_.problem.empty() && !any_) figure_.problem = "No run has measured " + metric() + " yet.";
    return std::move(figure_);
  }

 private:
  /// The values that make one number of a figure, and where it belongs.
  struct Point {
    std::size_t cell, begin, end;   // in offsets_
  };

  std::size_t cells() const { return figure_.panels.size() * figure_.splits.size() * figure_.x.size(); }

  double average(const Measurement& measurement, const Point& point) const {
    double sum = 0;
    for (std::size_t i = point.begin; i < point.end; ++i) sum += measurement.values[offsets_[i]];
    return sum / static_cast<double>(point.end - point.begin);
  }

  void forget() { sums_.assign(courses_.all.size(), {}), any_ = false; }

  void begin_with(const std::vector<Axis>& axes) {
    incomplete_ |= any_;
    forget();
    lay_out(axes);
  }

  void lay_out(const std::vector<Axis>& axes) {
    const FigureInfo& info = figure_.info;
    const Axis& along = axes[axis_named(info.x, axes, info.metric)];
    figure_.places = along.labels.size();
    figure_.x = thinned(along.labels);
    figure_.numeric_x = std::all_of(figure_.x.begin(), figure_.x.end(), is_number);
    figure_.splits = {""};
    if (!info.split_axis.empty()) figure_.splits = axes[axis_named(info.split_axis, axes, info.metric)].labels;
    panel_words_ = {""};
    figure_.panels = {""};
    if (info.panel_axis.empty()) return;
    const Axis& axis = axes[axis_named(info.panel_axis, axes, info.metric)];
    panel_words_ = info.panels.empty() ? axis.labels : info.panels;
    figure_.panels.clear();
    for (const auto& word : panel_words_) figure_.panels.push_back(panel_title(axis, word));
  }

  std::string panel_title(const Axis& axis, const std::string& word) const {
    const Places where = places_of_words(axis, word, figure_.info.metric);
    if (where.size() == 1 && axis.labels[where[0]] != word)
      return axis.name + " " + axis.labels[where[0]] + " (" + word + ")";
    return axis.name + " " + word;
  }

  static std::vector<std::string> thinned(const std::vector<std::string>& labels) {
    if (labels.size() <= kMostPlaces) return labels;
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < kMostPlaces; ++i) kept.push_back(labels[i * (labels.size() - 1) / (kMostPlaces - 1)]);
    return kept;
  }

  void find_points(const std::vector<Axis>& axes, const Selection& chosen) {
    points_.clear(), offsets_.clear();
    std::size_t cell = 0;
    for (const std::string& panel : panel_words_)
      for (const std::string& split : figure_.splits)
        for (const std::string& x : figure_.x) add_point(axes, chosen, cell++, panel, split, x);
  }

  void add_point(const std::vector<Axis>& axes, Selection at, std::size_t cell, const std::string& panel, const std::string& split, const std::string& x) {
    const FigureInfo& info = figure_.info;
    for (const auto& [axis, word] : info.at) at[axis] = word;
    if (!info.panel_axis.empty()) at[info.panel_axis] = panel;
    if (!info.split_axis.empty()) at[info.split_axis] = split;
    at[info.x] = x;
    const Axis& axis = axes[axis_named(info.x, axes, info.metric)];
    if (std::find(axis.labels.begin(), axis.labels.end(), x) == axis.labels.end()) return;   // a run measured elsewhere
    const auto offsets = offsets_in(axes, region_of(axes, at, info.metric));
    points_.push_back({cell, offsets_.size(), offsets_.size() + offsets.size()});
    offsets_.insert(offsets_.end(), offsets.begin(), offsets.end());
  }

  const Courses& courses_;
  Figure figure_;
  std::vector<std::string> panel_words_;
  std::vector<Point> points_;
  std::vector<std::size_t> offsets_;
  std::vector<Sums> sums_;   // by course
  bool any_ = false, incomplete_ = false;
};

}  // namespace

std::vector<std::string> contrasted_keys(const Rows& rows, const std::vector<std::string>& axes) {
  std::set<std::string> named;
  for (const LedgerClaim& claim : rows.claims)
    for (const ClaimPart& part : claim.claim.parts)
      for (const auto* side : {&part.treatment, &part.baseline})
        for (const auto& [key, value] : *side) named.insert(key);
  std::vector<std::string> keys;
  for (const auto& key : axes)
    if (named.contains(key)) keys.push_back(key);
  if (keys.empty() && !axes.empty()) keys.push_back(axes.front());
  return keys;
}

void summarise(FigureSeries& series, std::size_t places) {
  for (std::size_t x = 0; x < places; ++x) {
    std::vector<double> values;
    for (const auto& [unit, course] : series.units)
      if (std::isfinite(course[x])) values.push_back(course[x]);
    const Interval interval = values.size() < kFewestForBand ? Interval{kNaN, kNaN} : t_interval(values, 0.95);
    series.mean.push_back(mean(values));
    series.low.push_back(std::isfinite(interval.low) ? interval.low : kNaN);
    series.high.push_back(std::isfinite(interval.high) ? interval.high : kNaN);
  }
}

FigureConditions figure_conditions(const Rows& rows) {
  const auto colour_keys = contrasted_keys(rows, rows.axes);
  std::vector<std::string> other_keys;
  for (const auto& key : rows.axes)
    if (std::find(colour_keys.begin(), colour_keys.end(), key) == colour_keys.end()) other_keys.push_back(key);
  FigureConditions out{seen_conditions(rows, colour_keys), seen_conditions(rows, other_keys), 0};
  out.shown_first = out.others.size() / 2;
  return out;
}

struct FigureReadings::State {
  State(const Rows& of, const FigureConditions& conditions, const std::vector<FigureInfo>& infos, const std::vector<MetricInfo>& metrics) : rows(of), courses(of, conditions) {
    for (const FigureInfo& info : infos) drawings.emplace_back(courses, info, metrics);
  }
  const Rows& rows;
  const Courses courses;
  std::deque<Drawing> drawings;
};

FigureReadings::FigureReadings(const Rows& rows, const FigureConditions& conditions, const std::vector<FigureInfo>& infos, const std::vector<MetricInfo>& metrics)
    : state_(std::make_unique<State>(rows, conditions, infos, metrics)) {}
FigureReadings::~FigureReadings() = default;

std::vector<Reading*> FigureReadings::readings() {
  std::vector<Reading*> all;
  for (Drawing& one : state_->drawings) all.push_back(&one);
  return all;
}

std::vector<Figure> FigureReadings::figures() {
  std::vector<Reading*> again;
  for (Drawing& one : state_->drawings)
    if (one.incomplete()) one.begin_again(), again.push_back(&one);
  read_together(state_->rows, again);
  std::vector<Figure> figures;
  for (Drawing& one : state_->drawings) figures.push_back(one.drawn());
  return figures;
}

}  // namespace palimpsest
