#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "sweeps/statistics.h"

namespace palimpsest {

/// What units that come one after the other say of their centre, valid however often one looks and whenever one stops.
///
/// Bets against "the units are symmetric about m": a wealth that starts at 1 is multiplied by 1 + clip(c (x_i - m) / s_i,
/// -0.9, 0.9), s_i being the SD of the units before x_i (the first two are not bet on). The bet is odd in x_i - m, so
/// under that hypothesis it is fair and the wealth a martingale: it ever reaches 1 / alpha with a probability of alpha
/// at most (Ville). One wealth bets on larger values, one on smaller, each averaged over c = 0.1, 0.2, 0.3. That is the
/// sign-symmetric e-process of Ramdas, Ruf, Larsson and Koolen (arXiv 2009.03167) with the bets of Waudby-Smith and
/// Ramdas (JRSS B 2024) and, turned around, a confidence sequence (Howard, Ramdas, McAuliffe and Sekhon, Ann. Stat.
/// 2021): all m whose wealth stayed below 2 / alpha. Both wealths are monotone in m.
///
/// Paired differences of conditions without an effect are symmetric, whatever the conditions' distribution. A claim
/// without a baseline can be skewed: between its clips the bet is linear, so a mean of 0 keeps it fair but for the tails
/// beyond 3 SD; small bets keep them seldom. Simulated over 60 units with a look at each, a nominal 5 % is 1 % for normal units
/// and 3 % for exponential ones, but 8 % for log-normal ones of a skewness of 6.2.
class ConfidenceSequence {
 public:
  /// Units in the order in which they came.
  explicit ConfidenceSequence(std::span<const double> units);

  double p() const;                                // two-sided, of a centre of 0
  double equivalence_p(double bound) const;        // of |centre| >= bound; 1 without a bound
  Interval interval(double confidence) const;      // infinite on a side where the units are too few

 private:
  double log_wealth(double centre, double sign) const;  // the largest that it ever was
  double bound(double log_limit, double sign) const;

  std::vector<double> units_, scales_;
};

/// The first number of units at which p() is at most `alpha` and the effect above 0, at most `most`; nothing where there is none. `unit`: the i-th that
/// comes.
std::optional<std::int64_t> units_to_decide(const std::function<double(std::int64_t i)>& unit, std::int64_t most, double alpha);

/// Units without which not even those that all agree can decide, at level alpha among so many claims.
std::int64_t fewest_units(double alpha, std::size_t claims);

}  // namespace palimpsest
