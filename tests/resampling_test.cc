// Bootstrap, random effects, trends. That the numbers are SciPy's is shown in tests/peers/statistics_peer_test.py.
#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>

#include "runtime/random_stream.h"
#include "sweeps/bootstrap.h"
#include "sweeps/order_statistics.h"
#include "sweeps/random_effects.h"
#include "sweeps/trend.h"

namespace palimpsest {
namespace {

std::vector<double> normal_values(std::uint64_t key, std::size_t count) {
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(RandomStream(key).normal(i));
  return out;
}

TEST(Resamples, DrawEachUnitAsOftenAsAnyOther) {
  const Resamples resamples(10, 5000, 3);
  for (std::size_t unit = 0; unit < 10; ++unit) {
    double drawn = 0;
    for (std::size_t r = 0; r < 5000; ++r) drawn += resamples.drawn(r, unit);
    EXPECT_NEAR(drawn, 5000, 4 * std::sqrt(5000 * 0.9));
  }
}

TEST(Resamples, GiveACellTheSumsItWouldHaveAlone) {
  constexpr std::size_t kUnits = 23, kCells = 8, kCount = 101;
  const Resamples resamples(kUnits, kCount);
  std::vector<std::int16_t> cells;
  for (double x : normal_values(1, kCells * kUnits)) cells.push_back(static_cast<std::int16_t>(8000 * x));
  std::vector<std::int32_t> sums(kCells * kCount);
  resamples.sums(cells, sums);
  for (std::size_t c = 0; c < kCells; ++c) {
    const std::vector<double> cell(cells.begin() + c * kUnits, cells.begin() + (c + 1) * kUnits);
    for (std::size_t r = 0; r < kCount; ++r) EXPECT_EQ(sums[c * kCount + r], resamples.sum(r, cell));
  }
}

Interval bca(const std::vector<double>& values) { return bca_intervals(values, values.size(), 0.95).front(); }

/// The value and the one after it, of all numbers sorted.
OrderStatistics::Neighbours sorted_at(std::vector<double> all, std::size_t rank) {
  std::ranges::sort(all);
  return {all[rank], all[std::min(rank + 1, all.size() - 1)]};
}

// Normal, in lumps that far outweigh the rest, on a lattice full of ties, and all but one alike.
TEST(OrderStatistics, AreThoseOfAllExactNumbersSortedWhateverIsGuessed) {
  constexpr std::size_t kCount = 3000;
  const auto normal = normal_values(3, kCount);
  for (const int kind : {0, 1, 2, 3}) {
    std::vector<double> exact;
    std::vector<std::int32_t> rough;
    for (std::size_t i = 0; i < kCount; ++i) {
      const double x = normal[i];
      exact.push_back(kind == 0 ? 900 * x : kind == 1 ? x + 1e5 * static_cast<double>(i % 3) : kind == 2 ? std::round(4 * x) : i == 7 ? 1 : 0);
      rough.push_back(static_cast<std::int32_t>(std::lround(exact.back()) + static_cast<std::int32_t>(i % 5) - 2));
    }
    OrderStatistics found(rough, 3, [&](std::size_t i) { return exact[i]; });
    for (const std::size_t rank : {0, 1, 74, 1500, 2924, 2998, 2999})
      for (const OrderStatistics::Window guess : {OrderStatistics::Window{-1e9, 1e9}, {-20, 20}, {-1900, -1700}, {5e6, 6e6}}) {
        const auto [here, next] = found.at(rank, guess);
        EXPECT_EQ(here, sorted_at(exact, rank).here) << kind << " " << rank;
        EXPECT_EQ(next, sorted_at(exact, rank).next) << kind << " " << rank;
      }
    double below = 0;
    for (double x : exact) below += x < exact[100] ? 1 : x == exact[100] ? 0.5 : 0;
    EXPECT_EQ(found.share_below(rough[100], exact[100]), below / kCount);
  }
}

TEST(Bootstrap, IsNotTrustedBelowTwentyUnits) {
  EXPECT_TRUE(std::isinf(bca(normal_values(1, 19)).low));
  EXPECT_TRUE(std::isfinite(bca(normal_values(1, 20)).low));
}

TEST(Bootstrap, KnowsNoIntervalOfWhatDoesNotVary) {
  const std::vector<double> equal(25, 0.1);
  EXPECT_TRUE(std::isnan(bca(equal).low));
}

TEST(Bootstrap, FollowsSkewWhereTheTIntervalDoesNot) {
  std::vector<double> skewed;
  for (double x : normal_values(7, 40)) skewed.push_back(std::exp(1.5 * x));
  const Interval found = bca(skewed);
  EXPECT_GT(found.high - mean(skewed), 1.3 * (mean(skewed) - found.low));
}

// The gauge study of Montgomery, Design and Analysis of Experiments: 20 parts x 3 operators x 2 measurements, here the
// means of the two. Its table: sums of squares 1185.43 (parts), 2.62 (operators), 27.05 (both), that is mean squares of
// 62.39, 1.31 and 0.71; halved for means of two, (31.195 + 0.654 - 0.356) / 60 is the variance of the mean.
const std::vector<double> kGauge = {
    20.5, 20,   20,   23.5, 24,   23.5, 20.5, 20, 21,   27,   27,   27.5, 18.5, 18.5, 19.5, 22,   22.5, 22.5, 21.5, 23,
    21,   18,   19,   18.5, 23.5, 24,   24,   24, 25.5, 24.5, 20.5, 20,   20.5, 18.5, 18,   18.5, 24,   25,   25,   24,
    24,   24.5, 29.5, 29,   30.5, 26,   25.5, 26, 20,   19.5, 20,   20,   19,   22,   25.5, 24.5, 25,   19,   17.5, 18};

TEST(RandomEffects, OfThePublishedGaugeStudyAreItsMeanSquares) {
  const auto found = crossed_random_effects(kGauge, {20, 3}, 0.95);
  EXPECT_NEAR(found.standard_error, std::sqrt((62.39 / 2 + 1.31 / 2 - 0.71 / 2) / 60), 1e-3);
  EXPECT_NEAR(found.degrees_of_freedom, 19.28, 0.01);
}

TEST(RandomEffects, CoverTheMeanWhereSeedsDifferAndRunsTakenForUnitsDoNot) {
  constexpr int kTrials = 600, kSets = 13, kSeeds = 3;
  int crossed = 0, as_if_independent = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const RandomStream stream(trial);
    std::vector<double> values;
    for (std::uint64_t set = 0; set < kSets; ++set)
      for (std::uint64_t seed = 0; seed < kSeeds; ++seed)
        values.push_back(stream.child(1).normal(set) + 0.5 * stream.child(2).normal(seed) +
                         0.5 * stream.child(3).normal(set * kSeeds + seed));
    const auto covers = [](const Interval& interval) { return interval.low <= 0 && 0 <= interval.high; };
    crossed += covers(crossed_random_effects(values, {kSets, kSeeds}, 0.95).interval);
    as_if_independent += covers(t_interval(values, 0.95));
  }
  EXPECT_GE(crossed, 0.93 * kTrials);
  EXPECT_LE(as_if_independent, 0.80 * kTrials);
}

TEST(RandomEffects, OfThreeFactorsEstimateTheVarianceOfTheMeanWithoutBias) {
  constexpr std::size_t kSets = 6, kSeeds = 4, kWeights = 5, kTrials = 2000;
  double estimated = 0, seen = 0;
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const RandomStream stream = RandomStream(11).child(trial);
    std::vector<double> values;
    for (std::size_t a = 0; a < kSets; ++a)
      for (std::size_t b = 0; b < kSeeds; ++b)
        for (std::size_t c = 0; c < kWeights; ++c)
          values.push_back(stream.child(1).normal(a) + stream.child(2).normal(b) + stream.child(3).normal(c) +
                           stream.child(4).normal(a * kWeights + c) + stream.child(5).normal(values.size()));
    const auto found = crossed_random_effects(values, {kSets, kSeeds, kWeights}, 0.95);
    estimated += found.standard_error * found.standard_error / kTrials;
    seen += found.mean * found.mean / kTrials;
  }
  EXPECT_NEAR(estimated, 1.0 / 6 + 1.0 / 4 + 1.0 / 5 + 1.0 / 30 + 1.0 / 120, 0.05);
  EXPECT_NEAR(estimated / seen, 1, 0.1);
}

TEST(RandomEffects, GeneraliseOverNoFactorOfOneLevel) {
  EXPECT_TRUE(std::isinf(crossed_random_effects(normal_values(1, 8), {8, 1}, 0.95).interval.high));
  EXPECT_THROW(crossed_random_effects(normal_values(1, 8), {4, 3}, 0.95), std::invalid_argument);
}

TEST(Trend, OfPageIsCertainWhereAllUnitsAgree) {
  const auto page = page_trend(std::vector{1.0, 2.0, 3.0, 0.1, 0.2, 0.9}, 3);
  EXPECT_EQ(page.statistic, 28);
  EXPECT_NEAR(page.p, 1.0 / 36, 1e-15);
}

}  // namespace
}  // namespace palimpsest
