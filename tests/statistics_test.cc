// The constants were computed with SciPy 1.17.1; the line that makes each stands beside it, after
//   import numpy as np, scipy.stats as st, scipy.special as sp
//   x = np.array([0.31, -0.12, 0.45, 0.08, 0.27, -0.05, 0.19, 0.22, 0.36, 0.01, -0.09, 0.15, 0.24]); n = len(x); k = n
//   - 1
#include "sweeps/statistics.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>

#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

const std::vector<double> kX = {0.31, -0.12, 0.45, 0.08, 0.27, -0.05, 0.19, 0.22, 0.36, 0.01, -0.09, 0.15, 0.24};

std::vector<double> shifted(std::vector<double> values, double by) {
  for (double& v : values) v += by;
  return values;
}

TEST(Statistics, GiveSciPysTInterval) {
  const auto i95 = t_interval(kX, 0.95),
             i99 = t_interval(kX, 0.99);  // st.t.interval(0.95, n - 1, x.mean(), st.sem(x)); 0.99
  EXPECT_NEAR(mean(kX), 0.15538461538461534, 1e-14);
  EXPECT_NEAR(i95.low, 0.04738054890274104, 1e-12);
  EXPECT_NEAR(i95.high, 0.26338868186648967, 1e-12);
  EXPECT_NEAR(i99.low, 0.0039706470105195235, 1e-12);
  EXPECT_NEAR(i99.high, 0.30679858375871116, 1e-12);
}

TEST(Statistics, KnowNoBoundsFromASingleUnit) {
  const auto interval = t_interval(std::vector{0.3}, 0.95);
  EXPECT_TRUE(std::isinf(interval.low) && std::isinf(interval.high));
  EXPECT_EQ(sign_flip_p(std::vector{0.3}), 1);
  EXPECT_EQ(equivalence_p(std::vector{0.3}, 1), 1);
  EXPECT_TRUE(std::isnan(hedges_g(std::vector{0.3})));
}

TEST(Statistics, CountAllSignFlipsExactly) {
  // st.permutation_test((x,), np.mean, permutation_type='samples', n_resamples=np.inf).pvalue; the same of x - 0.08
  EXPECT_DOUBLE_EQ(sign_flip_p(kX), 0.010498046875);
  EXPECT_DOUBLE_EQ(sign_flip_p(shifted(kX, -0.08)), 0.158203125);
}

TEST(Statistics, CountSumsThatAreEqualOnPaperAsEqual) {
  // ... of np.array([1., 1., -1., 2., 2., 1.]); scaled by 0.1 the sums differ in their last bits
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector{1.0, 1.0, -1.0, 2.0, 2.0, 1.0}), 0.15625);
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector{0.1, 0.1, -0.1, 0.2, 0.2, 0.1}), 0.15625);
}

TEST(Statistics, FindNothingInValuesThatAreAllZero) {
  const std::vector<double> zeros(13, 0.0);
  EXPECT_EQ(sign_flip_p(zeros), 1);
  EXPECT_EQ(t_interval(zeros, 0.95).low, 0);
  EXPECT_EQ(equivalence_p(zeros, 0.01), 0);
}

TEST(Statistics, ReachTheSmallestExactPWhenAllUnitsAgree) {
  for (int n = 2; n <= 16; ++n) EXPECT_DOUBLE_EQ(sign_flip_p(std::vector<double>(n, 0.5)), std::ldexp(1, 1 - n)) << n;
}

TEST(Statistics, DrawSignFlipsNearTheExactPBeyondSixteenUnits) {
  std::vector<double> units = {0.9, -0.4, 0.7, 0.1, 0.5, -0.2, 0.8, -0.6, 0.3, 0.2, 0.4, -0.5, 0.6, 0.1, -0.1, 0.2};
  const double exact = sign_flip_p(units);
  units.push_back(0);  // a unit of zero changes no sum, and makes them 17
  EXPECT_THAT(sign_flip_p(units, 1), DoubleNear(exact, 4 * std::sqrt(exact * (1 - exact) / 10'000)));
  EXPECT_EQ(sign_flip_p(units, 1), sign_flip_p(units, 1));
  EXPECT_NE(sign_flip_p(units, 1), sign_flip_p(units, 2));
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector<double>(40, 1.0)), 1.0 / 10'001);
}

TEST(Statistics, CorrectHedgesGForSmallSamples) {
  // x.mean() / x.std(ddof=1) * np.exp(sp.gammaln(k / 2) - sp.gammaln((k - 1) / 2)) / np.sqrt(k / 2)
  EXPECT_NEAR(hedges_g(kX), 0.8137013034884525, 1e-12);
}

TEST(Statistics, TestEquivalenceByTwoOneSidedTests) {
  // max(st.ttest_1samp(x, -b, alternative='greater').pvalue, st.ttest_1samp(x, b, alternative='less').pvalue), b =
  // 0.25, 0.1
  EXPECT_NEAR(equivalence_p(kX, 0.25), 0.04025005555892205, 1e-12);
  EXPECT_NEAR(equivalence_p(kX, 0.1), 0.8571310238870784, 1e-12);
  EXPECT_EQ(equivalence_p(kX, 0), 1);
}

TEST(Statistics, AdjustPValuesAsHolmAndBenjaminiHochberg) {
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005, 0.04};
  const auto near = [](double v) { return DoubleNear(v, 1e-15); };
  // s = np.argsort(p); np.minimum(1, np.maximum.accumulate((5 - np.arange(5)) * np.array(p)[s])), back in order
  EXPECT_THAT(holm(p), ElementsAre(near(0.04), near(0.09), near(0.09), near(0.025), near(0.09)));
  // st.false_discovery_control(p)
  EXPECT_THAT(benjamini_hochberg(p), ElementsAre(near(0.025), near(0.04), near(0.04), near(0.025), near(0.04)));
}

TEST(Statistics, HoldTheirLevelOnSkewedDifferencesOfEqualConditions) {
  const RandomStream stream(20250101);
  int rejected = 0;
  for (std::uint64_t trial = 0; trial < 2000; ++trial) {
    std::vector<double> differences;
    for (std::uint64_t unit = 0; unit < 13; ++unit) {
      const auto draw = stream.child(trial).child(unit);
      differences.push_back(std::exp(draw.normal(0)) - std::exp(draw.normal(1)));
    }
    rejected += sign_flip_p(differences) <= 0.05;
  }
  EXPECT_LE(rejected, 2000 * 0.05 + 3 * std::sqrt(2000 * 0.05 * 0.95));
  EXPECT_GE(rejected, 2000 * 0.05 - 3 * std::sqrt(2000 * 0.05 * 0.95));
}

}  // namespace
}  // namespace palimpsest
