#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace palimpsest {

struct Interval { double low = 0, high = 0; };

/// Mean and t interval (n - 1 degrees of freedom). n < 2: an interval without bounds.
double mean(std::span<const double>);
Interval t_interval(std::span<const double> values, double confidence);
/// Two-sided p of the sign-flip test of mean 0: all 2^n flips for n <= 16, else 10,000 drawn from `seed` (the observed one counted in).
double sign_flip_p(std::span<const double> values, std::uint64_t seed = 0);
/// Hedges' g of paired differences: mean / SD with the small-sample correction.
double hedges_g(std::span<const double> values);
/// Holm's step-down: adjusted p-values, in the order given.
std::vector<double> holm(std::span<const double> p);
/// Benjamini-Hochberg: adjusted p-values, in the order given.
std::vector<double> benjamini_hochberg(std::span<const double> p);
/// p of the equivalence test (two one-sided t tests) of |mean| < bound.
double equivalence_p(std::span<const double> values, double bound);

}  // namespace palimpsest
