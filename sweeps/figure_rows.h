#pragma once

#include <string>

#include "sweeps/figure_data.h"

namespace palimpsest {

/// So many units of a line are drawn one by one in a file, each as a path. Where there are more, a path holds several: sixty of their own would take most
/// of the time that a figure takes. Where lines of one path cross, they do not grow darker.
inline constexpr std::size_t kPathsOfUnits = 6;

/// The courses of a panel's units as CSV: x, y, condition, split, path. Where they are lines, units follow each other in a path with an empty y between.
std::string unit_rows(const Figure&, const FigureConditions&, std::size_t panel, std::size_t other, bool lines);

/// Means and intervals of a panel as CSV: x, mean, low, high, condition, split.
std::string mean_rows(const Figure&, const FigureConditions&, std::size_t panel, std::size_t other);

}  // namespace palimpsest
