#include "sweeps/figure_data.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "runtime/error.h"
#include "sweeps/html.h"
#include "sweeps/region.h"
#include "sweeps/statistics.h"
#include "sweeps/verdict.h"

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
  std::set<Condition> seen;
  for (const LedgerRun& run : rows.runs) seen.insert(condition_of(run.spec.settings, keys));
  if (seen.empty()) seen.insert(Condition{});
  return {seen.begin(), seen.end()};
}

/// The values that make one number of a figure, and where it belongs.
struct Point {
  std::size_t panel, split, x;
  std::vector<std::size_t> offsets;
};

/// Reads a figure's numbers off measurements, panels and x being those of the first.
class Reader {
 public:
  Reader(const Rows& rows, Figure& figure) : rows_(rows), figure_(figure) {}

  std::vector<double> numbers(const LedgerRun& run, const Measurement& measurement) {
    if (figure_.x.empty()) lay_out(measurement.axes);
    prepare(run.spec.settings, measurement.axes);
    std::vector<double> out(cells(), kNaN);
    for (const Point& point : points_)
      out[(point.panel * figure_.splits.size() + point.split) * figure_.x.size() + point.x] =
          average(measurement, point);
    return out;
  }
  std::size_t cells() const { return figure_.panels.size() * figure_.splits.size() * figure_.x.size(); }

 private:
  static double average(const Measurement& measurement, const Point& point) {
    double sum = 0;
    for (std::size_t offset : point.offsets) sum += measurement.values.at(offset);
    return sum / static_cast<double>(point.offsets.size());
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

  /// Runs of a sweep mostly have the same axes, so where their numbers lie is found once.
  void prepare(const Settings& settings, const std::vector<Axis>& axes) {
    const Selection chosen = chosen_places(rows_.axis_keys, settings, axes);
    if (axes == axes_ && chosen == chosen_) return;
    axes_ = axes, chosen_ = chosen;
    points_.clear();
    for (std::size_t p = 0; p < panel_words_.size(); ++p)
      for (std::size_t s = 0; s < figure_.splits.size(); ++s)
        for (std::size_t x = 0; x < figure_.x.size(); ++x) add_point(p, s, x);
  }

  void add_point(std::size_t panel, std::size_t split, std::size_t x) {
    const FigureInfo& info = figure_.info;
    Selection at = chosen_;
    for (const auto& [axis, word] : info.at) at[axis] = word;
    if (!info.panel_axis.empty()) at[info.panel_axis] = panel_words_[panel];
    if (!info.split_axis.empty()) at[info.split_axis] = figure_.splits[split];
    at[info.x] = figure_.x[x];
    const Axis& axis = axes_[axis_named(info.x, axes_, info.metric)];
    if (std::find(axis.labels.begin(), axis.labels.end(), figure_.x[x]) == axis.labels.end())
      return;  // a run measured elsewhere
    points_.push_back({panel, split, x, offsets_in(axes_, region_of(axes_, at, info.metric))});
  }

  const Rows& rows_;
  Figure& figure_;
  std::vector<std::string> panel_words_;
  std::vector<Axis> axes_;
  Selection chosen_;
  std::vector<Point> points_;
};

/// Sum and number of finite values, for each cell of a unit.
struct Sums {
  std::vector<double> sum;
  std::vector<int> count;
  void add(const std::vector<double>& values) {
    sum.resize(values.size()), count.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      if (std::isfinite(values[i])) sum[i] += values[i], ++count[i];
  }
  double mean(std::size_t i) const { return count[i] ? sum[i] / count[i] : kNaN; }
};
using UnitSums = std::map<std::tuple<std::size_t, std::size_t, std::int64_t>, Sums>;  // by colour, other, unit

std::size_t index_in(const std::vector<Condition>& conditions, const Settings& settings) {
  const auto found =
      std::find_if(conditions.begin(), conditions.end(), [&](const Condition& c) { return holds(settings, c); });
  return static_cast<std::size_t>(found - conditions.begin());
}

/// A run that is done, and the conditions it is under.
struct Where {
  const LedgerRun* run;
  std::size_t colour, other;
};

std::unordered_map<RunId, Where> places_of_runs(const Rows& rows, const FigureConditions& conditions) {
  std::unordered_map<RunId, Where> runs;
  for (const LedgerRun& run : rows.runs)
    if (run.state == RunState::kDone)
      runs[run.spec.id] = {&run, index_in(conditions.colours, run.spec.settings),
                           index_in(conditions.others, run.spec.settings)};
  return runs;
}

std::vector<FigureSeries> series_of(const UnitSums& sums, const Figure& figure) {
  std::map<std::tuple<std::size_t, std::size_t, std::size_t, std::size_t>, FigureSeries> series;
  const std::size_t places = figure.x.size(), splits = figure.splits.size();
  for (const auto& [key, sum] : sums)
    for (std::size_t line = 0; line < figure.panels.size() * splits; ++line) {
      const auto [colour, other, unit] = key;
      FigureSeries& one = series[{colour, other, line / splits, line % splits}];
      one.colour = colour, one.other = other, one.panel = line / splits, one.split = line % splits;
      std::vector<double> course;
      for (std::size_t x = 0; x < places; ++x) course.push_back(sum.mean(line * places + x));
      one.units.emplace_back(unit, std::move(course));
    }
  std::vector<FigureSeries> out;
  for (auto& [key, one] : series) {
    summarise(one, places);
    out.push_back(std::move(one));
  }
  return out;
}

/// A figure while measurements are gone through.
class Drawing {
 public:
  Drawing(const Rows& rows, const FigureInfo& info, const std::vector<MetricInfo>& metrics) : rows_(rows) {
    figure_.info = info;
    figure_.slug = slug(info.title);
    for (const MetricInfo& metric : metrics)
      if (metric.name == info.metric) figure_.unit_of_values = metric.unit, figure_.meaning = metric.meaning;
  }
  Drawing(const Drawing&) = delete;   // the reader knows where the figure is
  Drawing& operator=(const Drawing&) = delete;

  void take(const Where& where, const Measurement& measurement) {
    if (!figure_.problem.empty()) return;
    try {
      sums_[{where.colour, where.other, unit_of(rows_, *where.run)}].add(reader_.numbers(*where.run, measurement));
    } catch (const InputError& error) {
      figure_.problem = "It cannot be drawn: " + std::string(error.what());
    }
  }

  Figure drawn() {
    if (figure_.problem.empty()) figure_.series = series_of(sums_, figure_);
    if (figure_.problem.empty() && sums_.empty()) figure_.problem = "No run has measured " + figure_.info.metric + " yet.";
    return std::move(figure_);
  }

 private:
  const Rows& rows_;
  Figure figure_;
  Reader reader_{rows_, figure_};
  UnitSums sums_;
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

std::vector<Figure> read_figures(const Rows& rows, const FigureConditions& conditions, const std::vector<FigureInfo>& infos,
                                 const std::vector<MetricInfo>& metrics) {
  std::deque<Drawing> drawings;
  std::set<std::string> wanted;
  std::map<std::string, std::vector<Drawing*>> by_metric;
  for (const FigureInfo& info : infos) by_metric[info.metric].push_back(&drawings.emplace_back(rows, info, metrics)), wanted.insert(info.metric);
  const auto runs = places_of_runs(rows, conditions);
  rows.for_each_measurement(wanted, [&](const RunId& id, const Measurement& measurement) {
    if (const auto where = runs.find(id); where != runs.end())
      for (Drawing* drawing : by_metric.at(measurement.metric)) drawing->take(where->second, measurement);
  });
  std::vector<Figure> figures;
  for (Drawing& drawing : drawings) figures.push_back(drawing.drawn());
  return figures;
}

}  // namespace palimpsest
