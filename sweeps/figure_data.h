#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sweeps/condition.h"
#include "sweeps/readings.h"

namespace palimpsest {

/// How conditions are told apart in figures: some keys of the grid by colour, the others by choosing one of their
/// combinations to look at.
struct FigureConditions {
  std::vector<Condition> colours, others;  // at least one each; an empty condition where the grid has no such keys
  std::size_t shown_first = 0;             // of `others`
};
/// The keys that claims contrast are colours; without claims, the first key of the grid.
FigureConditions figure_conditions(const Rows&);
std::vector<std::string> contrasted_keys(const Rows&, const std::vector<std::string>& axes);

/// One line of a panel: the course of each unit, averaged over seeds, and of their mean with its 95 % t interval.
struct FigureSeries {
  std::size_t colour = 0, other = 0, panel = 0, split = 0;
  std::vector<std::pair<std::int64_t, std::vector<double>>> units;  // a value for each x; NaN where there is none
  std::vector<double> mean, low, high;                              // likewise; low and high are NaN below two units
};

struct Figure {
  FigureInfo info;
  std::string slug, unit_of_values, meaning;
  std::vector<std::string> x;       // labels that are drawn
  std::size_t places = 0;           // that the axis has; a long one is thinned evenly
  std::vector<std::string> panels;  // titles; one empty title where the figure has no panels
  std::vector<std::string> splits;  // labels; one empty label where it has none
  std::vector<FigureSeries> series;
  bool numeric_x = false;  // all labels are numbers
  std::optional<FigureConditions> by_dose;  // each x is a condition of its own (dose_figures.h): points, not courses, and these conditions beside it
  std::string problem;     // why there is nothing to draw; empty where there is
};
/// Mean and interval of a series' units at each of so many places.
void summarise(FigureSeries&, std::size_t places);
/// What tells its lines apart: what all figures have, or its own.
inline const FigureConditions& conditions_of(const Figure& figure, const FigureConditions& of_all) { return figure.by_dose ? *figure.by_dose : of_all; }

/// Figures while measurements are gone through.
class FigureReadings {
 public:
  FigureReadings(const Rows&, const FigureConditions&, const std::vector<FigureInfo>&, const std::vector<MetricInfo>&);
  ~FigureReadings();
  std::vector<Reading*> readings();
  /// Once these were read: a figure for each, its x axis that of the run that has most places on it. Where that was not the first run, measurements of
  /// the figure are gone through again.
  std::vector<Figure> figures();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace palimpsest
