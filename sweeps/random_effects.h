#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sweeps/statistics.h"

namespace palimpsest {

/// A mean with everything that an interval of it rests on.
struct RandomEffectsMean {
  double mean = 0, standard_error = 0, degrees_of_freedom = 0;
  Interval interval;
  double p = 1;  // two-sided t test of mean 0
};

/// The mean over one to three crossed random factors (image sets, seeds, slow weights), generalised over the levels of
/// all of them: one value for each combination of levels, the last factor running fastest.
///
/// From the mean squares of the analysis of variance the variance of the mean is, over factors A x B,
/// (MS_A + MS_B - MS_AB) / (a b), and over three the sum of the main effects' mean squares less those of the pairs plus
/// that of the triple, over a b c; its degrees of freedom are Satterthwaite's (1946). Where that is less than one
/// factor's mean square alone gives, which the model rules out, that factor's stands: a variance component below zero
/// is taken for zero. In a sweep all are crossed: each seed and each slow weights meet every image set. What is nested elsewhere has no interval of its own
/// here: means of nested replicates go in as values, and add to the variance of the level they are nested in.
///
/// Infinite interval where a factor that is generalised over has one level. Throws std::invalid_argument where the
/// number of values is not the product of the levels.
RandomEffectsMean crossed_random_effects(std::span<const double> values, const std::vector<std::size_t>& levels,
                                         double confidence);

}  // namespace palimpsest
