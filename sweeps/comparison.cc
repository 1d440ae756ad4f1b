#include "sweeps/comparison.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "runtime/error.h"
#include "runtime/random_stream.h"
#include "sweeps/claim_words.h"
#include "sweeps/pairing.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

constexpr double kConfidence = 0.95;
constexpr int kDraws = 2000;

bool declares(const MetricInfo& metric) {
  return std::ranges::all_of(std::vector<std::string>{"images", "epoch", "noise"}, [&](const std::string& axis) {
    return std::ranges::find(metric.axes, axis) != metric.axes.end();
  });
}

double number(const std::string& label) {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::from_chars(label.data(), label.data() + label.size(), value);
  return value;
}

const Axis& axis_of(const Measurement& measurement, const std::string& name) {
  return *std::ranges::find(measurement.axes, name, &Axis::name);
}

std::optional<Measurement> any_measurement(const Rows& rows, const std::string& metric) {
  std::optional<Measurement> found;
  rows.for_each_measurement(rows.runs, {{metric, [&](std::size_t, const Measurement& measurement) {
                                           if (!found) found = measurement;
                                         }}});
  return found;
}

std::vector<double> levels_of(const Measurement& measurement) {
  std::vector<double> out;
  for (const auto& label : axis_of(measurement, "noise").labels) out.push_back(number(label));
  return out;
}

// What is asked of each run at one noise level.
ClaimPart part_of(const Rows& rows, const Measurement& sample, const std::string& metric, bool minus_novel) {
  ClaimPart part;
  part.metric = metric;
  part.at = {{"images", "familiar"}};
  if (minus_novel) part.minus = {{"images", "novel"}};
  part.change_axis = "epoch";
  part.log_ratio = true;
  part.change_from = axis_of(sample, "epoch").labels.front();
  part.change_to = axis_of(sample, "epoch").labels.back();
  if (!rows.claims.empty()) part.treatment = rows.claims.front().claim.parts.front().treatment;
  for (const auto& claim : rows.claims)
    for (const auto& own : claim.claim.parts)
      if (own.metric == metric && own.change_axis == "epoch") {
        part.change_from = own.change_from;
        part.change_to = own.change_to;
        return part;
      }
  return part;
}

// [level] of unit -> value; units that have all levels stay.
std::vector<std::vector<double>> units_of(const Rows& rows, const ClaimPart& part, const std::vector<double>& levels) {
  std::vector<RunValues> values(levels.size(), RunValues(rows.runs));
  const auto take = [&](std::size_t run, const Measurement& measurement) {
    for (std::size_t level = 0; level < levels.size(); ++level) {
      auto here = part;
      here.at["noise"] = text(Value(levels[level]));
      values[level].at(run) = run_value(here, rows.runs[run].spec.settings, measurement, rows.axis_keys);
    }
  };
  rows.for_each_measurement(rows.runs, {{part.metric, take}});
  std::map<std::int64_t, std::vector<double>> by_unit;
  for (const auto& at_level : values)
    for (const auto& [unit, value] : paired_units(pairs_of(rows, part, {}), false, at_level).units)
      by_unit[unit].push_back(value);
  std::vector<std::vector<double>> out;
  for (auto& [unit, own] : by_unit)
    if (own.size() == levels.size()) out.push_back(std::move(own));
  return out;
}

double slope_over(const std::vector<double>& x, const std::vector<double>& y) {
  const double x0 = mean(x), y0 = mean(y);
  double xy = 0, xx = 0;
  for (std::size_t i = 0; i < x.size(); ++i) xy += (x[i] - x0) * (y[i] - y0), xx += (x[i] - x0) * (x[i] - x0);
  return xy / xx;
}

template <class Of>
std::vector<double> of_each(const std::vector<std::vector<double>>& units, const Of& of) {
  std::vector<double> out;
  for (const auto& unit : units) out.push_back(of(unit));
  return out;
}

std::vector<double> mean_by_level(const std::vector<std::vector<double>>& units, std::size_t levels) {
  std::vector<double> out;
  for (std::size_t level = 0; level < levels; ++level)
    out.push_back(mean(of_each(units, [&](const auto& unit) { return unit[level]; })));
  return out;
}

SweepChange change_of(const std::string& name, const Rows& rows, const Measurement& sample, const std::string& metric,
                      bool minus_novel, const std::vector<double>& levels) {
  const auto part = part_of(rows, sample, metric, minus_novel);
  SweepChange out;
  out.name = name;
  out.from = part.change_from;
  out.to = part.change_to;
  out.units = units_of(rows, part, levels);
  out.by_level = mean_by_level(out.units, levels.size());
  const auto effects = of_each(out.units, [](const auto& unit) { return mean(unit); });
  out.effect = mean(effects);
  out.interval = t_interval(effects, kConfidence);
  const auto slopes = of_each(out.units, [&](const auto& unit) { return slope_over(levels, unit); });
  out.slope = mean(slopes);
  out.slope_interval = t_interval(slopes, kConfidence);
  return out;
}

int side_of_zero(const Interval& interval) { return interval.low > 0 ? 1 : interval.high < 0 ? -1 : 0; }

// Of the correlation, when the units of each sweep are drawn anew with replacement.
Interval rank_interval(const ComparedStatistic& s) {
  std::vector<double> drawn;
  const RandomStream stream(purpose("units of a comparison"));
  for (int draw = 0; draw < kDraws; ++draw) {
    const auto own = stream.child(static_cast<std::uint64_t>(draw));
    std::uint64_t index = 0;
    const auto resampled = [&](const SweepChange& side) {
      std::vector<std::vector<double>> units;
      for (std::size_t i = 0; i < side.units.size(); ++i)
        units.push_back(side.units[own.below(index++, side.units.size())]);
      return mean_by_level(units, s.levels.size());
    };
    const auto a = resampled(s.a), b = resampled(s.b);
    if (const double r = spearman(a, b); std::isfinite(r)) drawn.push_back(r);
  }
  if (drawn.empty()) return {-1, 1};
  std::ranges::sort(drawn);
  const auto at = [&](double share) {
    return drawn[static_cast<std::size_t>(share * static_cast<double>(drawn.size() - 1) + 0.5)];
  };
  return {at((1 - kConfidence) / 2), at((1 + kConfidence) / 2)};
}

void judge_direction(ComparedStatistic& s) {
  const int a = side_of_zero(s.a.interval), b = side_of_zero(s.b.interval);
  s.direction = a * b > 0 ? Alike::kSame : a * b < 0 ? Alike::kOpposite : Alike::kUndecided;
  s.ratio = b != 0 ? s.a.effect / s.b.effect : std::nan("");
  s.slopes_agree =
      s.a.slope_interval.low <= s.b.slope_interval.high && s.b.slope_interval.low <= s.a.slope_interval.high;
  if (s.levels.size() < 3) return;
  s.rank_correlation = spearman(s.a.by_level, s.b.by_level);
  s.rank_interval = rank_interval(s);
}

ComparedStatistic compared(const std::string& metric, bool minus_novel, const std::string& name_a, const Rows& a,
                           const std::string& name_b, const Rows& b) {
  ComparedStatistic out;
  out.metric = metric;
  out.images = minus_novel ? "familiar - novel" : "familiar";
  const auto in_a = any_measurement(a, metric), in_b = any_measurement(b, metric);
  if (!in_a || !in_b) {
    out.problem = (in_a ? name_b : name_a) + " has not measured it yet";
    return out;
  }
  const auto of_b = levels_of(*in_b);
  for (const double level : levels_of(*in_a))
    if (level > 0 && std::ranges::find(of_b, level) != of_b.end()) out.levels.push_back(level);
  if (out.levels.empty()) {
    out.problem = "the sweeps have no noise level in common";
    return out;
  }
  try {
    out.a = change_of(name_a, a, *in_a, metric, minus_novel, out.levels);
    out.b = change_of(name_b, b, *in_b, metric, minus_novel, out.levels);
  } catch (const InputError& error) {
    out.problem = error.what();
    return out;
  }
  if (out.a.units.empty() || out.b.units.empty())
    out.problem = "no run of " + (out.a.units.empty() ? name_a : name_b) + " that is done has a value";
  else
    judge_direction(out);
  return out;
}

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<double> out;
  for (const double v : values) {
    const auto below = std::ranges::count_if(values, [&](double w) { return w < v; });
    const auto equal = std::ranges::count(values, v);
    out.push_back(static_cast<double>(below) + 0.5 * static_cast<double>(equal + 1));
  }
  return out;
}

}  // namespace

std::string word(Alike alike) {
  return alike == Alike::kSame ? "same" : alike == Alike::kOpposite ? "opposite" : "undecided";
}

double spearman(const std::vector<double>& x, const std::vector<double>& y) {
  const auto a = ranks(x), b = ranks(y);
  const double a0 = mean(a), b0 = mean(b);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    ab += (a[i] - a0) * (b[i] - b0), aa += (a[i] - a0) * (a[i] - a0), bb += (b[i] - b0) * (b[i] - b0);
  return ab / std::sqrt(aa * bb);
}

std::vector<ComparedStatistic> compare(const std::string& name_a, const Rows& a,
                                       const std::vector<MetricInfo>& metrics_a, const std::string& name_b,
                                       const Rows& b, const std::vector<MetricInfo>& metrics_b) {
  std::vector<ComparedStatistic> out;
  for (const auto& metric : metrics_a) {
    const bool shared =
        std::ranges::any_of(metrics_b, [&](const auto& other) { return other.name == metric.name && declares(other); });
    if (!shared || !declares(metric)) continue;
    for (const bool minus_novel : {false, true})
      out.push_back(compared(metric.name, minus_novel, name_a, a, name_b, b));
  }
  return out;
}

}  // namespace palimpsest
