#include "sweeps/random_effects.h"

#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <boost/math/distributions/students_t.hpp>

namespace palimpsest {
namespace {

using Factors = unsigned;  // a set of factors, a bit for each

struct MeanSquare {
  Factors of;
  double value, degrees_of_freedom;
};

/// A complete crossing, and its means over some of the factors.
class Crossing {
 public:
  Crossing(std::span<const double> values, const std::vector<std::size_t>& levels) : values_(values), levels_(levels) {
    std::size_t cells = 1;
    for (std::size_t level : levels) cells *= level;
    if (levels.empty() || levels.size() > 3 || cells != values.size() || cells == 0)
      throw std::invalid_argument("crossed random effects need one value for each combination of one to three factors");
  }

  std::size_t factors() const { return levels_.size(); }

  /// The interaction's mean square: each cell's effect of `of` by inclusion and exclusion of the marginal means.
  MeanSquare mean_square(Factors of) const {
    std::vector<double> effects(values_.size());
    for (Factors part = of;; part = (part - 1) & of) {
      const auto means = means_over_others(part);
      const double sign = std::popcount(of ^ part) % 2 ? -1 : 1;
      for (std::size_t cell = 0; cell < effects.size(); ++cell) effects[cell] += sign * means[group(cell, part)];
      if (part == 0) break;
    }
    double squares = 0, freedom = 1;
    for (double effect : effects) squares += effect * effect;
    for (std::size_t f = 0; f < factors(); ++f)
      if (of >> f & 1u) freedom *= static_cast<double>(levels_[f] - 1);
    return {of, squares / freedom, freedom};
  }

 private:
  std::size_t group(std::size_t cell, Factors kept) const {
    std::size_t number = 0, stride = 1;
    for (std::size_t f = factors(); f-- > 0; cell /= levels_[f])
      if (kept >> f & 1u) number += cell % levels_[f] * stride, stride *= levels_[f];
    return number;
  }

  std::vector<double> means_over_others(Factors kept) const {
    std::size_t groups = 1;
    for (std::size_t f = 0; f < factors(); ++f)
      if (kept >> f & 1u) groups *= levels_[f];
    std::vector<double> sums(groups);
    for (std::size_t cell = 0; cell < values_.size(); ++cell) sums[group(cell, kept)] += values_[cell];
    for (double& sum : sums) sum *= static_cast<double>(groups) / static_cast<double>(values_.size());
    return sums;
  }

  std::span<const double> values_;
  const std::vector<std::size_t>& levels_;
};

struct Combined {
  double value, degrees_of_freedom;
};

Combined combined(const std::vector<MeanSquare>& squares) {
  double sum = 0, spread = 0;
  MeanSquare largest{0, 0, 1};
  for (const MeanSquare& one : squares) {
    sum += (std::popcount(one.of) % 2 ? 1 : -1) * one.value;
    spread += one.value * one.value / one.degrees_of_freedom;
    if (std::popcount(one.of) == 1 && one.value >= largest.value) largest = one;
  }
  if (sum < largest.value) return {largest.value, largest.degrees_of_freedom};
  return {sum, spread > 0 ? sum * sum / spread : largest.degrees_of_freedom};
}

}  // namespace

RandomEffectsMean crossed_random_effects(std::span<const double> values, const std::vector<std::size_t>& levels,
                                         double confidence) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Crossing crossing(values, levels);
  RandomEffectsMean out;
  out.mean = mean(values);
  out.interval = {-kInfinity, kInfinity};
  out.standard_error = kInfinity;
  for (std::size_t level : levels)
    if (level < 2) return out;
  std::vector<MeanSquare> squares;
  for (Factors of = 1; of < 1u << levels.size(); ++of) squares.push_back(crossing.mean_square(of));
  const Combined variance = combined(squares);
  out.degrees_of_freedom = variance.degrees_of_freedom;
  out.standard_error = std::sqrt(variance.value / static_cast<double>(values.size()));
  const boost::math::students_t t(out.degrees_of_freedom);
  const double reach = boost::math::quantile(t, 0.5 + confidence / 2) * out.standard_error;
  out.interval = {out.mean - reach, out.mean + reach};
  if (out.standard_error > 0) out.p = 2 * boost::math::cdf(t, -std::abs(out.mean) / out.standard_error);
  return out;
}

}  // namespace palimpsest
