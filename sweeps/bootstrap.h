#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sweeps/resamples.h"
#include "sweeps/statistics.h"

namespace palimpsest {

/// BCa bootstrap intervals of the means of cells of n units each, n up to 32,767; cells [cells, n], one row a cell: corrected for the median bias of the resampled
/// mean and for how its spread changes with its value, by the jackknife (Efron 1987; Efron and Tibshirani 1993, chapter 14). NaN where the units of a
/// cell are all equal.
std::vector<Interval> bootstrap_means(std::span<const double> cells_CN, const Resamples&, double confidence);

/// The same from 20 units on, of 9,999 resamples that all cells share; without bounds below, where it is not to be trusted, and above 1,000, where
/// it is the t interval for all that can be seen.
inline constexpr std::size_t kBcaFrom = 20, kBcaUpTo = 1000;
std::vector<Interval> bca_intervals(std::span<const double> cells_CN, std::size_t n, double confidence);

}  // namespace palimpsest
