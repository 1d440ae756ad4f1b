#pragma once

#include <vector>

#include "sweeps/figure_data.h"
#include "sweeps/run_values.h"

namespace palimpsest {

/// How what the claims read, or without claims what the first of the study's figures show, changes over each key of numbers that the sweep has
/// three values of or more: a figure for each key and statistic, with each unit (averaged over seeds), their mean and interval at each value, for
/// every combination of the other keys that has three of them or more.
std::vector<Figure> dose_figures(const Rows&, const std::vector<MetricInfo>&, const std::vector<ClaimPart>& statistics, const Statistics&);
/// What they read.
std::vector<ClaimPart> dose_statistics(const Rows&, const std::vector<MetricInfo>&, const std::vector<FigureInfo>& of_study);

}  // namespace palimpsest
