#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace palimpsest {

struct Interval {
  double low = 0, high = 0;
};
inline constexpr Interval kUnbounded{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};

/// Mean and t interval (n - 1 degrees of freedom). No values: NaN. n < 2: an interval without bounds.
double mean(std::span<const double>);
Interval t_interval(std::span<const double> values, double confidence);

/// Two-sided p of the sign-flip test of mean 0 (Fisher 1935): the share of sign patterns whose |sum| is at least that
/// seen. All 2^n patterns for n <= 16, else 10,000 drawn from `seed` with the one seen counted in. No values: 1.
double sign_flip_p(std::span<const double> values, std::uint64_t seed = 0);

/// Hedges' g of paired differences: mean / SD times gamma(k/2) / (sqrt(k/2) gamma((k-1)/2)), k = n - 1 (Hedges 1981,
/// exact). NaN below three values or where all are equal.
double hedges_g(std::span<const double> values);

/// Adjusted p-values, in the order given: Holm's step-down (1979), Benjamini and Hochberg's step-up (1995).
std::vector<double> holm(std::span<const double> p);
std::vector<double> benjamini_hochberg(std::span<const double> p);

/// p of the equivalence test |mean| < bound: the larger of two one-sided t tests (Schuirmann 1987). 1 without a bound
/// or below two values.
double equivalence_p(std::span<const double> values, double bound);

}  // namespace palimpsest
