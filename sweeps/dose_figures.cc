#include "sweeps/dose_figures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "runtime/words.h"
#include "sweeps/cells.h"
#include "sweeps/claim_words.h"
#include "sweeps/dose_response.h"
#include "sweeps/html.h"

namespace palimpsest {
namespace {

constexpr std::size_t kFewest = 3;  // doses of a line, else nothing is seen of its shape
constexpr std::size_t kHeadlines = 4;  // of a study, where no claim says what is looked for
constexpr std::size_t kMostPanels = 8, kMostTrends = 4;  // that can be taken in at a glance

/// Of the first metrics that a study's figures show: familiar images, where there are others, at the end.
std::vector<ClaimPart> headlines_of(const std::vector<FigureInfo>& figures, const std::vector<MetricInfo>& metrics) {
  std::vector<ClaimPart> out;
  for (const FigureInfo& figure : figures) {
    const auto metric = std::ranges::find(metrics, figure.metric, &MetricInfo::name);
    if (metric == metrics.end() || std::ranges::find(out, figure.metric, &ClaimPart::metric) != out.end()) continue;
    if (out.size() == kHeadlines) break;
    ClaimPart part;
    part.metric = figure.metric, part.at = figure.at;
    for (const auto& [axis, word] : {std::pair{"images", "familiar"}, {"epoch", "last"}})
      if (std::ranges::find(metric->axes, axis) != metric->axes.end()) part.at.try_emplace(axis, word);
    out.push_back(std::move(part));
  }
  return out;
}

std::vector<ClaimPart> statistics_of(const Rows& rows) {
  std::vector<ClaimPart> out;
  for (const ClaimPart& part : parts_of_claims(rows))   // what is matched is of two conditions together
    if (const auto statistic = statistic_of(part); part.matched.empty() && std::ranges::find(out, statistic) == out.end()) out.push_back(statistic);
  return out;
}

struct Mean {
  double sum = 0;
  int count = 0;
};
using Line = std::map<double, std::map<std::int64_t, Mean>>;  // by dose and unit, over seeds
using Lines = std::map<Condition, Line>;                      // by the other keys

std::vector<std::string> other_axes(const Rows& rows, const std::string& axis) {
  auto axes = rows.axes;
  std::erase(axes, axis);
  return axes;
}

/// Where the runs of a cell are drawn in figures over an axis: nowhere, where they have no dose.
struct Drawn {
  std::optional<double> dose;
  Condition others;
};

std::vector<Drawn> drawn_over(const Rows& rows, const Cells& cells, const std::string& axis) {
  const auto others = other_axes(rows, axis);
  std::vector<Drawn> drawn;
  for (const Settings* settings : cells.settings) {
    const bool there = settings->has(axis) && exists(axis, *settings, rows.when);
    drawn.push_back({there ? number_of(settings->at(axis)) : std::nullopt, condition_of(*settings, others)});
  }
  return drawn;
}

Lines lines_over(const Rows& rows, const Cells& cells, const std::vector<Drawn>& drawn, const RunValues& values) {
  Lines lines;
  std::vector<std::map<std::int64_t, Mean>*> units(drawn.size(), nullptr);   // of the cells that were met
  for (std::size_t i = 0; i < rows.runs.size(); ++i) {
    const LedgerRun& run = rows.runs[i];
    const auto& value = values.of(run);
    const std::size_t cell = cells.of[i];
    if (run.state != RunState::kDone || !value || !std::isfinite(*value) || !drawn[cell].dose) continue;
    if (!units[cell]) units[cell] = &lines[drawn[cell].others][*drawn[cell].dose];
    Mean& mean = (*units[cell])[unit_of(rows, run)];
    mean.sum += *value, ++mean.count;
  }
  std::erase_if(lines, [](const auto& line) { return line.second.size() < kFewest; });
  return lines;
}

/// Those of `keys` in which the lines differ.
std::vector<std::string> differing(const Lines& lines, const std::vector<std::string>& keys) {
  std::vector<std::string> out;
  for (const auto& key : keys) {
    std::set<std::optional<Value>> values;
    for (const auto& [condition, line] : lines) {
      const auto found = condition.find(key);
      values.insert(found == condition.end() ? std::nullopt : std::optional(found->second));
    }
    if (values.size() > 1) out.push_back(key);
  }
  return out;
}

Condition part_of(const Condition& condition, const std::vector<std::string>& keys) {
  Condition out;
  for (const auto& [key, value] : condition)
    if (std::ranges::find(keys, key) != keys.end()) out[key] = value;
  return out;
}

std::size_t place_in(const std::vector<Condition>& all, const Condition& one) { return static_cast<std::size_t>(std::ranges::find(all, one) - all.begin()); }

/// One line of a figure over all its doses.
FigureSeries series_of(const Line& line, const std::vector<double>& doses) {
  FigureSeries out;
  std::map<std::int64_t, std::vector<double>> units;
  for (std::size_t d = 0; d < doses.size(); ++d) {
    const auto found = line.find(doses[d]);
    if (found == line.end()) continue;
    for (const auto& [unit, mean] : found->second)
      units.try_emplace(unit, doses.size(), std::numeric_limits<double>::quiet_NaN()).first->second[d] = mean.sum / mean.count;
  }
  out.units.assign(units.begin(), units.end());
  summarise(out, doses.size());
  return out;
}

/// "adapter rises, p = 0.002", over the doses that the line has and the units that have them all.
std::string trend_words(const FigureSeries& series, const std::string& name) {
  std::vector<std::size_t> doses;
  for (std::size_t d = 0; d < series.mean.size(); ++d)
    if (std::isfinite(series.mean[d])) doses.push_back(d);
  std::vector<double> responses;
  for (const auto& [unit, course] : series.units) {
    if (!std::ranges::all_of(doses, [&course = course](std::size_t d) { return std::isfinite(course[d]); })) continue;
    for (const std::size_t d : doses) responses.push_back(course[d]);
  }
  const auto trend = dose_trend(responses, doses.size());
  return trend ? (name.empty() ? "it " : name + " ") + trend->word + ", " + p_words(trend->p) : "";
}

class DoseFigure {
 public:
  DoseFigure(const Rows& rows, const std::string& axis, const ClaimPart& part, const std::vector<MetricInfo>& metrics) : rows_(rows), axis_(axis) {
    const std::string statistic = statistic_words(part), place = place_words(part);
    figure_.info.title = statistic + " by " + plain_key(axis);
    figure_.info.metric = part.metric;
    figure_.info.x = axis;
    figure_.info.caption = place.empty() ? "" : "At " + place + ".";
    figure_.slug = slug("dose " + figure_.info.title + " " + place);
    for (const MetricInfo& metric : metrics)
      if (metric.name == part.metric && !part.log_ratio && part.trend_axis.empty()) figure_.unit_of_values = metric.unit;
    figure_.numeric_x = true;
    figure_.splits = {""};
  }

  Figure of(const Lines& lines) {
    const auto varying = differing(lines, other_axes(rows_, axis_));
    const auto contrasted = contrasted_keys(rows_, varying);
    std::vector<std::string> rest;
    for (const auto& key : varying)
      if (std::ranges::find(contrasted, key) == contrasted.end()) rest.push_back(key);
    lay_out(lines, contrasted, rest);
    for (const auto& [condition, line] : lines) add(line, part_of(condition, contrasted), part_of(condition, rest));
    tell_trends();
    return std::move(figure_);
  }

 private:
  void lay_out(const Lines& lines, const std::vector<std::string>& contrasted, const std::vector<std::string>& rest) {
    std::set<Condition> colours, panels;
    std::map<double, std::string> doses;
    for (const auto& [condition, line] : lines) {
      colours.insert(part_of(condition, contrasted)), panels.insert(part_of(condition, rest));
      for (const auto& [dose, units] : line) doses[dose] = plain(Value(dose));
    }
    for (const auto& [dose, label] : doses) doses_.push_back(dose), figure_.x.push_back(label);
    figure_.places = doses_.size();
    panels_.assign(panels.begin(), panels.end());
    if (panels_.size() > kMostPanels) {
      figure_.info.caption += " " + std::to_string(kMostPanels) + " of the " + counted(panels_.size(), "combination") + " of the other keys are drawn.";
      panels_.resize(kMostPanels);
    }
    for (const Condition& panel : panels_) figure_.panels.push_back(plain(panel));
    figure_.by_dose = FigureConditions{{colours.begin(), colours.end()}, {Condition{}}, 0};
  }

  void add(const Line& line, const Condition& colour, const Condition& panel) {
    const auto place = place_in(panels_, panel);
    if (place == panels_.size()) return;
    figure_.series.push_back(series_of(line, doses_));
    figure_.series.back().colour = place_in(figure_.by_dose->colours, colour), figure_.series.back().panel = place;
  }

  /// Where units are added until claims are decided, the test would not hold.
  void tell_trends() {
    if (rows_.replication || figure_.series.size() > kMostTrends) return;
    std::vector<std::string> words;
    for (const FigureSeries& series : figure_.series)
      words.push_back(trend_words(series, joined({plain(figure_.by_dose->colours[series.colour]), figure_.panels[series.panel]})));
    const std::string all = joined(words, "; ");
    if (!all.empty()) figure_.info.caption += (figure_.info.caption.empty() ? "" : " ") + std::string("By Page's trend test (two-sided, unadjusted) ") + all + ".";
  }

  const Rows& rows_;
  const std::string axis_;
  Figure figure_;
  std::vector<double> doses_;
  std::vector<Condition> panels_;
};

}  // namespace

std::vector<ClaimPart> dose_statistics(const Rows& rows, const std::vector<MetricInfo>& metrics, const std::vector<FigureInfo>& of_study) {
  return rows.claims.empty() ? headlines_of(of_study, metrics) : statistics_of(rows);
}

std::vector<Figure> dose_figures(const Rows& rows, const std::vector<MetricInfo>& metrics, const std::vector<ClaimPart>& statistics, const Statistics& read) {
  const Cells cells(rows);
  std::vector<Figure> figures;
  for (const auto& axis : rows.axes) {
    const auto drawn = drawn_over(rows, cells, axis);
    if (std::ranges::none_of(drawn, [](const Drawn& one) { return one.dose.has_value(); })) continue;
    for (const ClaimPart& statistic : statistics)
      if (const auto lines = lines_over(rows, cells, drawn, read.of(statistic).values); !lines.empty())
        figures.push_back(DoseFigure(rows, axis, statistic, metrics).of(lines));
  }
  return figures;
}

}  // namespace palimpsest
