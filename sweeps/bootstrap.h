#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sweeps/resamples.h"
#include "sweeps/statistics.h"

namespace palimpsest {

enum class Bootstrap { kPercentile, kBca };

/// Bootstrap intervals of many cells at once, each of the same n units; cells [cells, n], one row a cell.
///
/// Percentile: the quantiles of the resampled statistic, with linear interpolation. BCa: corrected for its median bias
/// and for how its spread changes with its value, by the jackknife (Efron 1987; Efron and Tibshirani 1993, chapter
/// 14). An interval is NaN where the statistic does not vary over the resamples.
std::vector<Interval> bootstrap_means(std::span<const double> cells_CN, const Resamples&, Bootstrap, double confidence);

/// Pearson correlation of two values of each unit, x and y [cells, n], units being drawn with both.
std::vector<Interval> bootstrap_correlations(std::span<const double> x_CN, std::span<const double> y_CN,
                                             const Resamples&, Bootstrap, double confidence);

/// The median of n units under resampling takes values that depend on ranks alone: their probabilities are computed
/// exactly (those of infinitely many resamples; Maritz and Jarrett 1978) and shared by all cells.
std::vector<Interval> bootstrap_medians(std::span<const double> cells_CN, std::size_t n, Bootstrap, double confidence);

/// The BCa interval from 20 values on; without bounds below, where it is not to be trusted, and above 1,000, where it
/// is the t interval for all that can be seen.
inline constexpr std::size_t kBcaFrom = 20, kBcaUpTo = 1000;
Interval bca_interval(std::span<const double> values, double confidence);

}  // namespace palimpsest
