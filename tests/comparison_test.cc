// What two made-up sweeps that measured the same metric say of each other.
#include "sweeps/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/random_stream.h"
#include "sweeps/comparison_table.h"
#include "tests/made_up_rows.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::vector<MetricInfo> kMetrics = {{"manifold.level", {"images", "epoch", "noise"}, "", ""},
                                          {"loss", {"step"}, "", ""}};

// Familiar images change by log-ratios `by_level` from epoch 0 to 10, novel ones by none; each unit's own by a little
// more or less.
MadeUpSweep sweep_of(std::vector<double> by_level, std::vector<std::string> levels, std::uint64_t seed) {
  MadeUpSweep sweep{.grid = {}, .image_sets = 8, .seeds = 2};
  sweep.measure = [=](const LedgerRun& run, const std::string& metric) {
    Measurement out{metric, {{"images", {"familiar", "novel"}}, {"epoch", {"0", "10"}}, {"noise", levels}}, {}};
    const double own = 0.02 * RandomStream(seed).normal(static_cast<std::uint64_t>(run.spec.image_set));
    for (const bool familiar : {true, false})
      for (const bool last : {false, true})
        for (const double change : by_level)
          out.values.push_back(static_cast<float>(familiar && last ? std::exp(change + own) : 1.0));
    return out;
  };
  return sweep;
}

std::vector<ComparedStatistic> compared(const MadeUpSweep& a, const MadeUpSweep& b) {
  return compare("network", a.rows(), kMetrics, "circuit", b.rows(), kMetrics);
}

TEST(Comparison, FindsTheSameDirectionTheRatioAndTheOrderOfLevels) {
  const auto found = compared(sweep_of({-0.2, -0.4, -0.6, -0.8}, {"0.1", "0.2", "0.3", "0.5"}, 1),
                              sweep_of({-0.1, -0.2, -0.3}, {"0.1", "0.30", "0.5"}, 2));
  ASSERT_THAT(found, SizeIs(2));  // familiar, and familiar less novel; the loss has no such axes
  for (const auto& s : found) {
    EXPECT_EQ(s.problem, "");
    EXPECT_EQ(s.levels, (std::vector<double>{0.1, 0.3, 0.5}));
    EXPECT_EQ(s.direction, Alike::kSame);
    EXPECT_NEAR(s.a.effect, -1.6 / 3, 0.03);
    EXPECT_NEAR(s.ratio, 1.6 / 0.6, 0.4);
    EXPECT_NEAR(s.rank_correlation.value(), 1, 1e-12);
    EXPECT_EQ(s.a.units.size(), 8u);
  }
}

TEST(Comparison, FindsOppositeDirectionsAndOrders) {
  const auto s = compared(sweep_of({-0.1, -0.2, -0.3}, {"0.1", "0.3", "0.5"}, 1),
                          sweep_of({0.1, 0.2, 0.3}, {"0.1", "0.3", "0.5"}, 2))[0];
  EXPECT_EQ(s.direction, Alike::kOpposite);
  EXPECT_NEAR(s.rank_correlation.value(), -1, 1e-12);
  EXPECT_FALSE(s.slopes_agree);
}

TEST(Comparison, IsUndecidedWhereOneDoesNotChange) {
  const auto s = compared(sweep_of({-0.1, -0.2, -0.3}, {"0.1", "0.3", "0.5"}, 1),
                          sweep_of({0, 0, 0}, {"0.1", "0.3", "0.5"}, 2))[0];
  EXPECT_EQ(s.direction, Alike::kUndecided);
  EXPECT_TRUE(std::isnan(s.ratio));
}

TEST(Comparison, SaysWhereThereIsNothingToCompare) {
  const auto s = compared(sweep_of({-0.1}, {"0.1"}, 1), sweep_of({-0.1}, {"0.2"}, 2))[0];
  EXPECT_THAT(s.problem, HasSubstr("no noise level in common"));
  EXPECT_THAT(comparison_text({s}), HasSubstr("no noise level in common"));
}

TEST(Comparison, GivesTiesTheirMeanRank) {
  EXPECT_NEAR(spearman({1, 2, 2, 3}, {1, 2, 2, 3}), 1, 1e-12);
  EXPECT_NEAR(spearman({1, 2, 3, 4}, {4, 3, 2, 1}), -1, 1e-12);
  EXPECT_TRUE(std::isnan(spearman({1, 1, 1}, {1, 2, 3})));
}

}  // namespace
}  // namespace palimpsest
