#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "sweeps/figure_data.h"

namespace palimpsest {

/// The colour of a condition in every figure (Okabe & Ito, "Color universal design", 2008).
std::string condition_colour(std::size_t condition);
std::string condition_label(const Condition&);

/// A panel of a figure as Vega-Lite: as wide as its container, its rows to be filled in as the data sets "units"
/// {x, y, unit, condition, split} and "means" {x, mean, low, high, units, condition, split}.
nlohmann::json panel_spec(const Figure&, const FigureConditions&);

/// A figure's numbers, in few bytes: one entry a series, courses as arrays in the order of "x". The page lays them out
/// as rows.
nlohmann::json compact_data(const Figure&);

/// Which of so many units are drawn one by one: all, or 60 of them, evenly. Their mean and interval are those of all.
std::vector<std::size_t> drawn_units(std::size_t units);

/// The whole figure with its rows, a row of panels for each of the other conditions: what becomes an SVG file.
nlohmann::json standalone_spec(const Figure&, const FigureConditions&);

}  // namespace palimpsest
