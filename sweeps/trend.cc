#include "sweeps/trend.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <boost/math/distributions/normal.hpp>

namespace palimpsest {
namespace {

constexpr std::size_t kExactUpTo = 8;  // doses: 40,320 orders

struct Ranks {
  std::vector<double> of;  // from 1
  bool ties = false;
};

Ranks ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  Ranks out{std::vector<double>(values.size()), false};
  for (std::size_t first = 0, next = 0; first < order.size(); first = next) {
    while (next < order.size() && values[order[next]] == values[order[first]]) ++next;
    out.ties |= next > first + 1;
    for (std::size_t i = first; i < next; ++i) out.of[order[i]] = static_cast<double>(first + next + 1) / 2;
  }
  return out;
}

/// The distribution of sum(j * rank_j) over all orders of one unit, from its smallest value on.
std::vector<double> one_unit(std::size_t doses) {
  std::vector<std::size_t> order(doses);
  std::iota(order.begin(), order.end(), std::size_t{1});
  std::vector<double> counts(doses * (doses + 1) * (2 * doses + 1) / 6 + 1);
  double all = 0;
  do {
    std::size_t sum = 0;
    for (std::size_t j = 0; j < doses; ++j) sum += (j + 1) * order[j];
    ++counts[sum], ++all;
  } while (std::next_permutation(order.begin(), order.end()));
  for (double& count : counts) count /= all;
  return counts;
}

std::vector<double> convolved(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size() + b.size() - 1);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] > 0)
      for (std::size_t j = 0; j < b.size(); ++j) out[i + j] += a[i] * b[j];
  return out;
}

double exact_p(double statistic, std::size_t units, std::size_t doses) {
  const auto one = one_unit(doses);
  std::vector<double> sums = {1};
  for (std::size_t unit = 0; unit < units; ++unit) sums = convolved(sums, one);
  const auto seen = static_cast<std::ptrdiff_t>(std::llround(statistic));
  return std::min(1.0, std::accumulate(sums.begin() + seen, sums.end(), 0.0));
}

double normal_p(double statistic, double units, double doses) {
  const double expected = units * doses * (doses + 1) * (doses + 1) / 4;
  const double variance = units * doses * doses * (doses + 1) * (doses * doses - 1) / 144;
  return boost::math::cdf(boost::math::complement(boost::math::normal(), (statistic - expected) / std::sqrt(variance)));
}

}  // namespace

PageTrend page_trend(std::span<const double> responses_UD, std::size_t doses) {
  PageTrend out;
  bool ties = false;
  const std::size_t units = responses_UD.size() / doses;
  for (std::size_t unit = 0; unit < units; ++unit) {
    const Ranks ranked = ranks(responses_UD.subspan(unit * doses, doses));
    ties |= ranked.ties;
    for (std::size_t d = 0; d < doses; ++d) out.statistic += static_cast<double>(d + 1) * ranked.of[d];
  }
  if (units == 0 || doses < 2) return out;
  out.p = doses <= kExactUpTo && !ties
              ? exact_p(out.statistic, units, doses)
              : normal_p(out.statistic, static_cast<double>(units), static_cast<double>(doses));
  return out;
}

}  // namespace palimpsest
