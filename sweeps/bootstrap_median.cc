// The median of a resample of n units. Sorted, the units are x_1 <= ... <= x_n, and a resample's k-th smallest value is
// at most x_i where k or more of its n draws fall on x_1 ... x_i, which is binomial. For odd n the median is one such
// value; for even n it is the mean of two neighbours, whose ranks i <= j have a joint distribution: the m-th smallest
// is x_i and the next x_j > x_i where exactly m draws fall on x_1 ... x_i (one at least on x_i) and the other m on x_j
// ... x_n (one at least on x_j).
#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/distributions/binomial.hpp>

#include "sweeps/bca.h"
#include "sweeps/bootstrap.h"

namespace palimpsest {
namespace {

constexpr double kLeast = 1e-14;  // of a pair's probability to be kept

/// The resampled median is the mean of the units of ranks i and j (from 0) with a probability.
struct RankPair {
  std::size_t i, j;
  double probability;
};

double share(std::size_t ranks, std::size_t n) { return static_cast<double>(ranks) / static_cast<double>(n); }

/// P(the k-th smallest of n draws is among the lowest `ranks` units).
double at_most(std::size_t ranks, std::size_t k, std::size_t n) {
  if (ranks == 0) return 0;
  if (ranks == n) return 1;
  const boost::math::binomial draws(static_cast<double>(n), share(ranks, n));
  return boost::math::cdf(boost::math::complement(draws, static_cast<double>(k) - 1));
}

/// binomial(n, m) times (the m lowest draws on ranks up to i, one at least on i) times (the same from above): for i <
/// j.
double apart(std::size_t i, std::size_t j, std::size_t n, std::size_t m) {
  const double k = static_cast<double>(m), size = static_cast<double>(n);
  const double low = std::pow(share(i + 1, n), k) - std::pow(share(i, n), k);
  const double high = std::pow(share(n - j, n), k) - std::pow(share(n - j - 1, n), k);
  const double choices = std::lgamma(size + 1) - std::lgamma(k + 1) - std::lgamma(size - k + 1);
  return std::exp(choices + std::log(low) + std::log(high));
}

std::vector<RankPair> pairs_of_odd(std::size_t n) {
  std::vector<RankPair> pairs;
  for (std::size_t i = 0; i < n; ++i) pairs.push_back({i, i, at_most(i + 1, n / 2 + 1, n) - at_most(i, n / 2 + 1, n)});
  return pairs;
}

std::vector<RankPair> pairs_of_even(std::size_t n) {
  std::vector<RankPair> pairs;
  for (std::size_t i = 0; i < n; ++i) {
    double same = at_most(i + 1, n / 2, n) - at_most(i, n / 2, n);  // the lower of the two is x_i ...
    for (std::size_t j = i + 1; j < n; ++j) {
      const double p = apart(i, j, n, n / 2);
      same -= p;  // ... and so is the upper one, unless it is above
      pairs.push_back({i, j, p});
    }
    pairs.push_back({i, i, std::max(0.0, same)});
  }
  return pairs;
}

std::vector<RankPair> median_pairs(std::size_t n) {
  auto pairs = n % 2 ? pairs_of_odd(n) : pairs_of_even(n);
  std::erase_if(pairs, [](const RankPair& pair) { return pair.probability < kLeast; });
  return pairs;
}

struct Weighted {
  double value, probability;
};

double quantile(const std::vector<Weighted>& sorted, double p) {
  if (!std::isfinite(p) || sorted.front().value == sorted.back().value) return std::nan("");
  double so_far = 0;
  for (const Weighted& one : sorted)
    if ((so_far += one.probability) >= p) return one.value;
  return sorted.back().value;
}

double below(const std::vector<Weighted>& sorted, double estimate) {
  double share = 0;
  for (const Weighted& one : sorted)
    share += one.value < estimate ? one.probability : one.value == estimate ? one.probability / 2 : 0;
  return share;
}

double middle(const std::vector<double>& sorted, std::size_t n, std::size_t left_out) {
  const auto at = [&](std::size_t rank) { return sorted[rank + (rank >= left_out)]; };
  return n % 2 ? at(n / 2) : (at(n / 2 - 1) + at(n / 2)) / 2;
}

double acceleration_of_median(const std::vector<double>& sorted) {
  std::vector<double> left_out;
  for (std::size_t i = 0; i < sorted.size(); ++i) left_out.push_back(middle(sorted, sorted.size() - 1, i));
  return acceleration(left_out);
}

Interval median_interval(std::vector<double> x, const std::vector<RankPair>& pairs, Bootstrap method,
                         double confidence) {
  std::sort(x.begin(), x.end());
  std::vector<Weighted> distribution;
  for (const RankPair& pair : pairs) distribution.push_back({(x[pair.i] + x[pair.j]) / 2, pair.probability});
  std::sort(distribution.begin(), distribution.end(),
            [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
  const Tails tails =
      method == Bootstrap::kPercentile
          ? equal_tails(confidence)
          : bca_tails(confidence, below(distribution, middle(x, x.size(), x.size())), acceleration_of_median(x));
  return {quantile(distribution, tails.low), quantile(distribution, tails.high)};
}

}  // namespace

std::vector<Interval> bootstrap_medians(std::span<const double> cells_CN, std::size_t n, Bootstrap method,
                                        double confidence) {
  const auto pairs = median_pairs(n);
  std::vector<Interval> out;
  for (std::size_t at = 0; at + n <= cells_CN.size(); at += n)
    out.push_back(median_interval(
        {cells_CN.begin() + static_cast<std::ptrdiff_t>(at), cells_CN.begin() + static_cast<std::ptrdiff_t>(at + n)},
        pairs, method, confidence));
  return out;
}

}  // namespace palimpsest
