#include "sweeps/statistics.h"

#include <array>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <boost/math/distributions/students_t.hpp>

#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

constexpr std::size_t kExactUpTo = 16;    // 2^15 sums: under a millisecond
constexpr std::uint64_t kDraws = 10'000;  // a p of 0.05 is known to +-0.004
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double standard_deviation(std::span<const double> values) {
  const double centre = mean(values);
  double squares = 0;
  for (double x : values) squares += (x - centre) * (x - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double standard_error(std::span<const double> values) {
  return standard_deviation(values) / std::sqrt(static_cast<double>(values.size()));
}

boost::math::students_t t_of(std::span<const double> values) {
  return boost::math::students_t(static_cast<double>(values.size() - 1));
}

/// The sums of `values` under every pattern of signs that keeps the first one: |sum| is the same for a pattern and its
/// mirror image.
std::vector<double> flipped_sums(std::span<const double> values) {
  std::vector<double> sums = {values[0]};
  sums.reserve(std::size_t{1} << (values.size() - 1));
  for (double x : values.subspan(1)) {
    const std::size_t half = sums.size();
    for (std::size_t i = 0; i < half; ++i) {
      sums.push_back(sums[i] - x);
      sums[i] += x;
    }
  }
  return sums;
}

double drawn_sum(std::span<const double> values, const RandomStream& flips) {
  double sum = 0;
  std::array<std::uint32_t, 4> bits{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % 128 == 0) bits = flips.block(i / 128);
    sum += (bits[i / 32 % 4] >> (i % 32)) & 1u ? values[i] : -values[i];
  }
  return sum;
}

std::vector<std::size_t> ascending(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

double mean(std::span<const double> values) {
  if (values.empty()) return kNaN;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Interval t_interval(std::span<const double> values, double confidence) {
  if (values.size() < 2) return {-kInfinity, kInfinity};
  const double reach = boost::math::quantile(t_of(values), 0.5 + confidence / 2) * standard_error(values);
  return {mean(values) - reach, mean(values) + reach};
}

double sign_flip_p(std::span<const double> values, std::uint64_t seed) {
  if (values.empty()) return 1;
  double sum = 0, size = 0;
  for (double x : values) sum += x, size += std::abs(x);
  const double seen = std::abs(sum) - 1e-12 * size;  // sums that are equal on paper count as equal
  if (values.size() <= kExactUpTo) {
    const auto sums = flipped_sums(values);
    const auto extreme = std::count_if(sums.begin(), sums.end(), [&](double s) { return std::abs(s) >= seen; });
    return static_cast<double>(extreme) / static_cast<double>(sums.size());
  }
  const auto stream = RandomStream(seed).child(purpose("sign-flip"));
  std::uint64_t extreme = 1;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw)
    extreme += std::abs(drawn_sum(values, stream.child(draw))) >= seen;
  return static_cast<double>(extreme) / static_cast<double>(kDraws + 1);
}

double hedges_g(std::span<const double> values) {
  if (values.size() < 3) return kNaN;
  const double spread = standard_deviation(values), k = static_cast<double>(values.size() - 1);
  if (spread == 0) return kNaN;
  return mean(values) / spread * std::exp(std::lgamma(k / 2) - std::lgamma((k - 1) / 2)) / std::sqrt(k / 2);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<double> adjusted(p.size());
  double so_far = 0;
  std::size_t left = p.size();
  for (std::size_t i : ascending(p))
    adjusted[i] = so_far = std::max(so_far, std::min(1.0, static_cast<double>(left--) * p[i]));
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  std::vector<double> adjusted(p.size());
  auto order = ascending(p);
  std::reverse(order.begin(), order.end());
  double so_far = 1;
  std::size_t rank = p.size();
  for (std::size_t i : order)
    adjusted[i] = so_far = std::min(so_far, static_cast<double>(p.size()) / static_cast<double>(rank--) * p[i]);
  return adjusted;
}

double equivalence_p(std::span<const double> values, double bound) {
  if (bound <= 0 || values.size() < 2) return 1;
  const double centre = mean(values), error = standard_error(values);
  if (error == 0) return std::abs(centre) < bound ? 0 : 1;
  return boost::math::cdf(boost::math::complement(t_of(values), (bound - std::abs(centre)) / error));
}

}  // namespace palimpsest
