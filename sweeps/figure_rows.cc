#include "sweeps/figure_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "sweeps/vega.h"

namespace palimpsest {
namespace {

/// A cell, whatever is in the text: spreadsheets are not spoken to here.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

/// As many digits as a page has; what is no number is left out.
std::string number(double value) {
  if (!std::isfinite(value)) return {};
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.4g", value);
  return digits;
}

/// The labels of an axis, each a cell.
std::vector<std::string> places_of(const Figure& figure) {
  std::vector<std::string> places;
  for (const std::string& label : figure.x) places.push_back(quoted(label));
  return places;
}

/// ",condition,split" of a series.
std::string names_of(const FigureSeries& series, const Figure& figure, const FigureConditions& conditions) {
  return "," + quoted(condition_label(conditions.colours[series.colour])) + "," + quoted(figure.splits[series.split]);
}

}  // namespace

std::string unit_rows(const Figure& figure, const FigureConditions& conditions, std::size_t panel, std::size_t other, bool lines) {
  std::string out = "x,y,condition,split,path\n";
  const auto places = places_of(figure);
  for (const FigureSeries& series : figure.series) {
    if (series.panel != panel || series.other != other) continue;
    const auto drawn = drawn_units(series.units.size());
    for (std::size_t path = 0; path < std::min(kPathsOfUnits, drawn.size()); ++path) {
      const std::string names = names_of(series, figure, conditions) + "," + std::to_string(path) + "\n";
      for (std::size_t i = path; i < drawn.size(); i += kPathsOfUnits) {
        const std::vector<double>& course = series.units[drawn[i]].second;
        for (std::size_t x = 0; x < course.size(); ++x)
          if (std::isfinite(course[x])) out += places[x] + "," + number(course[x]) + names;
        if (lines && !places.empty()) out += places.front() + "," + names;
      }
    }
  }
  return out;
}

std::string mean_rows(const Figure& figure, const FigureConditions& conditions, std::size_t panel, std::size_t other) {
  std::string out = "x,mean,low,high,condition,split\n";
  const auto places = places_of(figure);
  for (const FigureSeries& series : figure.series) {
    if (series.panel != panel || series.other != other) continue;
    const std::string names = names_of(series, figure, conditions) + "\n";
    for (std::size_t x = 0; x < series.mean.size(); ++x)
      if (std::isfinite(series.mean[x])) out += places[x] + "," + number(series.mean[x]) + "," + number(series.low[x]) + "," + number(series.high[x]) + names;
  }
  return out;
}

}  // namespace palimpsest
