#include "sweeps/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/distributions/normal.hpp>

namespace palimpsest {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kBlock = 12;  // cells resampled at a time: their resampled sums stay in the cache
constexpr std::size_t kResamples = 9999;

/// The resampled statistic of one cell, of which a few order statistics in the tails are wanted: one pass over all
/// values keeps those of the tails.
class Distribution {
 public:
  Distribution(std::span<const double> values, double estimate, double confidence)
      : values_(values), low_(values.size() + 1), high_(values.size() + 1) {
    const auto [below, above] = thresholds(1 - confidence + 0.01);
    std::size_t less = 0, at_most = 0, lows = 0, highs = 0;
    for (double v : values) {
      less += v < estimate, at_most += v <= estimate;
      low_[lows] = v, lows += v < below;
      high_[highs] = v, highs += v > above;
    }
    low_.resize(lows), high_.resize(highs);
    below_ = static_cast<double>(less + at_most) / (2 * static_cast<double>(values.size()));
    varies_ = lows > 0 || highs > 0;
  }

  /// The share below the estimate, ties counted half.
  double below() const { return below_; }

  /// The p-quantile, linear between order statistics.
  double quantile(double p) {
    if (!std::isfinite(p) || !varies_) return kNaN;
    const double place = p * static_cast<double>(values_.size() - 1);
    const auto rank = static_cast<std::size_t>(place);
    const auto [here, next] = p < 0.5 ? from_below(rank) : from_above(values_.size() - 1 - rank);
    return here + (place - static_cast<double>(rank)) * (next - here);
  }

 private:
  struct Neighbours {
    double here, next;
  };

  /// Beyond which about `share` of the values lie on either side, by a part of them and a normal distribution.
  Neighbours thresholds(double share) const {
    const std::size_t step = std::max<std::size_t>(1, values_.size() / 600);
    double sum = 0, squares = 0, count = 0;
    for (std::size_t i = 0; i < values_.size(); i += step, ++count) {
      const double away = values_[i] - values_[0];
      sum += away, squares += away * away;
    }
    const double spread = std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
    const double reach = spread * boost::math::quantile(boost::math::normal(), 1 - std::min(0.5, share));
    return {values_[0] + sum / count - reach, values_[0] + sum / count + reach};
  }

  /// A tail that holds too few values is replaced by all of them.
  std::vector<double>& enough(std::vector<double>& tail, std::size_t wanted) const {
    if (tail.size() < wanted) tail.assign(values_.begin(), values_.end());
    return tail;
  }

  Neighbours from_below(std::size_t rank) {
    auto& kept = enough(low_, rank + 2);
    const auto here = kept.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(kept.begin(), here, kept.end());
    return {*here, here + 1 == kept.end() ? *here : *std::min_element(here + 1, kept.end())};
  }

  Neighbours from_above(std::size_t rank) {  // rank 0: the largest
    auto& kept = enough(high_, rank + 1);
    const auto here = kept.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(kept.begin(), here, kept.end(), std::greater<>());
    return {*here, rank == 0 ? *here : *std::min_element(kept.begin(), here)};
  }

  std::span<const double> values_;
  std::vector<double> low_, high_;
  double below_ = 0.5;
  bool varies_ = false;
};

/// The two probabilities at which a distribution is read.
struct Tails {
  double low, high;
};

/// `below`: the share of resamples under the estimate, ties counted half. `acceleration`: sum u^3 / (6 (sum u^2)^1.5) over the jackknife's
/// deviations. NaN where below is 0 or 1.
Tails bca_tails(double confidence, double below, double acceleration) {
  if (!(below > 0 && below < 1) || !std::isfinite(acceleration)) return {kNaN, kNaN};
  const boost::math::normal normal;
  const double bias = boost::math::quantile(normal, below), reach = boost::math::quantile(normal, (1 + confidence) / 2);
  const auto moved = [&](double z) {
    return boost::math::cdf(normal, bias + (bias + z) / (1 - acceleration * (bias + z)));
  };
  return {moved(-reach), moved(reach)};
}

Interval read(Distribution& distribution, Tails tails) {
  return {distribution.quantile(tails.low), distribution.quantile(tails.high)};
}

/// Each cell less its first value: a cell of equal values has sums of exactly zero.
std::vector<double> from_their_first(std::span<const double> cells_CN, std::size_t n) {
  std::vector<double> out(cells_CN.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = cells_CN[i] - cells_CN[i / n * n];
  return out;
}

double acceleration_of_mean(std::span<const double> x) {
  const double centre = mean(x);
  double squares = 0, cubes = 0;
  for (double v : x) squares += (v - centre) * (v - centre), cubes += (v - centre) * (v - centre) * (v - centre);
  return cubes / (6 * std::pow(squares, 1.5));  // a left-out mean falls behind by (v - centre) / (n - 1)
}

}  // namespace

std::vector<Interval> bootstrap_means(std::span<const double> cells_CN, const Resamples& resamples, double confidence) {
  const std::size_t n = resamples.units(), count = resamples.count(), cells = cells_CN.size() / n;
  std::vector<double> sums(kBlock * count);
  std::vector<Interval> out;
  for (std::size_t first = 0; first < cells; first += kBlock) {
    const std::size_t taken = std::min(kBlock, cells - first);
    const auto moved = from_their_first(cells_CN.subspan(first * n, taken * n), n);
    resamples.sums(moved, sums);
    for (std::size_t c = 0; c < taken; ++c) {
      const auto cell = std::span(moved).subspan(c * n, n);
      const double size = static_cast<double>(n), origin = cells_CN[(first + c) * n];
      Distribution distribution(std::span<const double>(sums).subspan(c * count, count), mean(cell) * size, confidence);
      const Tails tails = bca_tails(confidence, distribution.below(), acceleration_of_mean(cell));
      const Interval of_sums = read(distribution, tails);
      out.push_back({origin + of_sums.low / size, origin + of_sums.high / size});
    }
  }
  return out;
}

Interval bca_interval(std::span<const double> values, double confidence) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (values.size() < kBcaFrom || values.size() > kBcaUpTo) return {-kInfinity, kInfinity};
  return bootstrap_means(values, Resamples(values.size(), kResamples), confidence).front();
}

}  // namespace palimpsest
