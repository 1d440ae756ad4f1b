#include "sweeps/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/math/distributions/normal.hpp>

#include "sweeps/order_statistics.h"

namespace palimpsest {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kBlock = 12;  // cells resampled at a time: their resampled sums stay in the cache
constexpr std::size_t kResamples = 9999;
constexpr double kLargest = 32'767;

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

/// A cell as whole numbers, from its mean on: its resampled sums are whole as well, and near the exact ones.
struct Rounded {
  std::vector<std::int16_t> values;
  std::int32_t sum = 0, error = 0;          // of all units; at most, of a sum
  double spread = 0, skewness = 0;          // of resampled sums
};

double largest_away(std::span<const double> x, double centre) {
  double largest = 0;
  for (double v : x) largest = std::max(largest, std::abs(v - centre));
  return largest;
}

Rounded rounded(std::span<const double> x) {
  Rounded out;
  const double n = static_cast<double>(x.size()), centre = mean(x), away = largest_away(x, centre);
  const double scale = away > 0 ? std::min(kLargest / away, std::numeric_limits<double>::max()) : 0;
  double worst = 0, squares = 0, cubes = 0;
  for (double v : x) {
    const double exact = (v - centre) * scale, near = std::round(exact);
    worst = std::max(worst, std::abs(exact - near));
    squares += exact * exact, cubes += exact * exact * exact;
    out.values.push_back(static_cast<std::int16_t>(near));
    out.sum += out.values.back();
  }
  out.error = static_cast<std::int32_t>(worst * n) + 2;
  out.spread = std::sqrt(squares);
  out.skewness = cubes / (squares * out.spread);
  return out;
}

/// Where the p-quantile of the resampled sums is to be looked for: by their skewness (Cornish and Fisher 1938), three standard errors to each side.
OrderStatistics::Window guess(const Rounded& cell, double p, double resamples) {
  const boost::math::normal normal;
  const double z = boost::math::quantile(normal, p), error = std::sqrt(p * (1 - p) / resamples) / boost::math::pdf(normal, z);
  const double centre = cell.sum + cell.spread * (z + (z * z - 1) * cell.skewness / 6), reach = cell.spread * (3 * error + cell.skewness * cell.skewness);
  return {centre - reach, centre + reach};
}

/// The resampled sums of one cell, as they are read.
class Distribution {
 public:
  Distribution(const Resamples& resamples, std::span<const double> values, const Rounded& cell, std::span<const std::int32_t> rough)
      : cell_(cell), count_(static_cast<double>(rough.size())), sums_(rough, cell.error, [&resamples, values](std::size_t r) { return resamples.sum(r, values); }) {}

  /// The share below the sum of the cell.
  double below(double sum) { return sums_.share_below(cell_.sum, sum); }

  /// The p-quantile, linear between order statistics.
  double quantile(double p) {
    if (!std::isfinite(p)) return kNaN;
    const double place = p * (count_ - 1);
    const auto rank = static_cast<std::size_t>(place);
    const auto [here, next] = sums_.at(rank, guess(cell_, p, count_));
    return here + (place - static_cast<double>(rank)) * (next - here);
  }

 private:
  const Rounded& cell_;
  double count_;
  OrderStatistics sums_;
};

/// Each cell less its first value: a cell of equal values has sums of exactly zero.
std::vector<double> from_its_first(std::span<const double> x) {
  std::vector<double> out(x.begin(), x.end());
  for (double& v : out) v -= x[0];
  return out;
}

double acceleration_of_mean(std::span<const double> x) {
  const double centre = mean(x);
  double squares = 0, cubes = 0;
  for (double v : x) squares += (v - centre) * (v - centre), cubes += (v - centre) * (v - centre) * (v - centre);
  return cubes / (6 * std::pow(squares, 1.5));  // a left-out mean falls behind by (v - centre) / (n - 1)
}

Interval interval_of_sum(const Resamples& resamples, std::span<const double> cell, const Rounded& whole, std::span<const std::int32_t> rough, double confidence) {
  Distribution distribution(resamples, cell, whole, rough);
  double sum = 0;
  for (double v : cell) sum += v;
  const Tails tails = bca_tails(confidence, distribution.below(sum), acceleration_of_mean(cell));
  return {distribution.quantile(tails.low), distribution.quantile(tails.high)};
}

}  // namespace

std::vector<Interval> bootstrap_means(std::span<const double> cells_CN, const Resamples& resamples, double confidence) {
  const std::size_t n = resamples.units(), count = resamples.count(), cells = cells_CN.size() / n;
  std::vector<std::int32_t> sums(kBlock * count);
  std::vector<Interval> out;
  for (std::size_t first = 0; first < cells; first += kBlock) {
    const std::size_t taken = std::min(kBlock, cells - first);
    std::vector<std::vector<double>> moved;
    std::vector<Rounded> whole;
    std::vector<std::int16_t> values;
    for (std::size_t c = 0; c < taken; ++c) {
      moved.push_back(from_its_first(cells_CN.subspan((first + c) * n, n)));
      whole.push_back(rounded(moved.back()));
      values.insert(values.end(), whole.back().values.begin(), whole.back().values.end());
    }
    resamples.sums(values, sums);
    for (std::size_t c = 0; c < taken; ++c) {
      const double size = static_cast<double>(n), origin = cells_CN[(first + c) * n];
      const Interval of_sum = interval_of_sum(resamples, moved[c], whole[c], std::span(sums).subspan(c * count, count), confidence);
      out.push_back({origin + of_sum.low / size, origin + of_sum.high / size});
    }
  }
  return out;
}

std::vector<Interval> bca_intervals(std::span<const double> cells_CN, std::size_t n, double confidence) {
  if (n < kBcaFrom || n > kBcaUpTo) return std::vector<Interval>(n == 0 ? 0 : cells_CN.size() / n, kUnbounded);
  return bootstrap_means(cells_CN, Resamples(n, kResamples), confidence);
}

}  // namespace palimpsest
