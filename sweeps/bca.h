#pragma once

#include <cmath>
#include <span>

#include <boost/math/distributions/normal.hpp>

namespace palimpsest {

/// The two probabilities at which a bootstrap distribution is read.
struct Tails {
  double low, high;
};

inline Tails equal_tails(double confidence) { return {(1 - confidence) / 2, (1 + confidence) / 2}; }

/// The tails of the BCa interval. `below`: the share of resamples under the estimate, ties counted half.
/// `acceleration`: sum u^3 / (6 (sum u^2)^1.5) over the jackknife's deviations. NaN where below is 0 or 1.
inline Tails bca_tails(double confidence, double below, double acceleration) {
  const double nan = std::nan("");
  if (!(below > 0 && below < 1) || !std::isfinite(acceleration)) return {nan, nan};
  const boost::math::normal normal;
  const double bias = boost::math::quantile(normal, below), reach = boost::math::quantile(normal, (1 + confidence) / 2);
  const auto moved = [&](double z) {
    return boost::math::cdf(normal, bias + (bias + z) / (1 - acceleration * (bias + z)));
  };
  return {moved(-reach), moved(reach)};
}

/// Of leaving out one unit after the other: u_i = mean of the left-out estimates minus the i-th.
inline double acceleration(std::span<const double> left_out) {
  double centre = 0;
  for (double x : left_out) centre += x;
  centre /= static_cast<double>(left_out.size());
  double squares = 0, cubes = 0;
  for (double x : left_out) squares += (centre - x) * (centre - x), cubes += std::pow(centre - x, 3);
  return cubes / (6 * std::pow(squares, 1.5));
}

}  // namespace palimpsest
