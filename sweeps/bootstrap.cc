#include "sweeps/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sweeps/bca.h"

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

/// Sums of a unit's two values, their squares and their product.
struct Moments {
  double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  double correlation(double n) const {
    const double product = xy - x * y / n, spread = (xx - x * x / n) * (yy - y * y / n);
    return std::clamp(product / std::sqrt(spread), -1.0, 1.0);
  }
};

/// NaN where all are equal.
std::vector<double> standardised(std::span<const double> x) {
  auto out = from_their_first(x, x.size());
  const double centre = mean(out);
  double squares = 0;
  for (double& v : out) v -= centre, squares += v * v;
  for (double& v : out) v /= std::sqrt(squares);
  return out;
}

struct Correlated {
  double estimate, acceleration;
};

/// What the pairs of one cell give as they are, and with one left out after the other. x and y are standardised.
Correlated correlate(std::span<const double> x, std::span<const double> y) {
  Moments all;
  for (std::size_t i = 0; i < x.size(); ++i)
    all.x += x[i], all.y += y[i], all.xx += x[i] * x[i], all.yy += y[i] * y[i], all.xy += x[i] * y[i];
  std::vector<double> left_out;
  for (std::size_t i = 0; i < x.size(); ++i)
    left_out.push_back(
        Moments{all.x - x[i], all.y - y[i], all.xx - x[i] * x[i], all.yy - y[i] * y[i], all.xy - x[i] * y[i]}
            .correlation(static_cast<double>(x.size() - 1)));
  return {all.correlation(static_cast<double>(x.size())), acceleration(left_out)};
}

std::vector<double> products(std::span<const double> a, std::span<const double> b) {
  std::vector<double> out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i];
  return out;
}

/// A resample that draws one unit alone has no correlation; it is left out of the distribution.
std::vector<double> resampled_correlations(const std::vector<double>& x, const std::vector<double>& y,
                                           const Resamples& resamples) {
  const auto n = static_cast<double>(x.size());
  std::vector<double> five;
  for (const auto& one : {x, y, products(x, x), products(y, y), products(x, y)})
    five.insert(five.end(), one.begin(), one.end());
  const std::size_t count = resamples.count();
  std::vector<double> sums(5 * count), out(count);
  resamples.sums(five, sums);
  const double *sx = sums.data(), *sy = sx + count, *sxx = sy + count, *syy = sxx + count, *sxy = syy + count;
  for (std::size_t r = 0; r < count; ++r) out[r] = Moments{sx[r], sy[r], sxx[r], syy[r], sxy[r]}.correlation(n);
  std::erase_if(out, [](double value) { return !std::isfinite(value); });
  return out;
}

Interval correlation_interval(std::span<const double> x, std::span<const double> y, const Resamples& resamples,
                              Bootstrap method, double confidence) {
  const auto sx = standardised(x), sy = standardised(y);
  const auto drawn = resampled_correlations(sx, sy, resamples);
  if (drawn.empty()) return {kNaN, kNaN};
  const Correlated seen = correlate(sx, sy);
  Distribution distribution(drawn, seen.estimate, confidence);
  if (method == Bootstrap::kPercentile) return read(distribution, equal_tails(confidence));
  return read(distribution, bca_tails(confidence, distribution.below(), seen.acceleration));
}

}  // namespace

std::vector<Interval> bootstrap_means(std::span<const double> cells_CN, const Resamples& resamples, Bootstrap method,
                                      double confidence) {
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
      const Tails tails = method == Bootstrap::kPercentile
                              ? equal_tails(confidence)
                              : bca_tails(confidence, distribution.below(), acceleration_of_mean(cell));
      const Interval of_sums = read(distribution, tails);
      out.push_back({origin + of_sums.low / size, origin + of_sums.high / size});
    }
  }
  return out;
}

std::vector<Interval> bootstrap_correlations(std::span<const double> x_CN, std::span<const double> y_CN,
                                             const Resamples& resamples, Bootstrap method, double confidence) {
  const std::size_t n = resamples.units();
  std::vector<Interval> out;
  for (std::size_t at = 0; at + n <= x_CN.size(); at += n)
    out.push_back(correlation_interval(x_CN.subspan(at, n), y_CN.subspan(at, n), resamples, method, confidence));
  return out;
}

Interval bca_interval(std::span<const double> values, double confidence) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (values.size() < kBcaFrom || values.size() > kBcaUpTo) return {-kInfinity, kInfinity};
  return bootstrap_means(values, Resamples(values.size(), kResamples), Bootstrap::kBca, confidence).front();
}

}  // namespace palimpsest
