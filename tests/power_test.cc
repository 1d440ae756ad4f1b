#include "sweeps/power.h"

#include <cmath>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "runtime/random_stream.h"
#include "sweeps/confidence_sequence.h"
#include "tests/made_up_rows.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

// G*Power 3.1, "means: difference from constant (one sample)", two-sided, alpha = 0.05; for d = 0.2 also Cohen (1988, table 2.4.1).
TEST(Power, AsksForTheUnitsOfThePublishedTables) {
  EXPECT_EQ(units_for(0.2, 0.80, 0.05), 199);
  EXPECT_EQ(units_for(0.5, 0.80, 0.05), 34);
  EXPECT_EQ(units_for(0.8, 0.80, 0.05), 15);
  EXPECT_EQ(units_for(0.5, 0.95, 0.05), 54);
}

TEST(Power, AsksForUnitsWithWhichTheSignFlipTestCanDecide) {
  EXPECT_EQ(units_for(100, 0.8, 0.05), 6);       // 2^-5 < 0.05 < 2^-4
  EXPECT_EQ(units_for(100, 0.8, 0.0125), 8);     // four claims
  EXPECT_EQ(units_for(0, 0.8, 0.05), std::nullopt);
}

MadeUpSweep sweep_of(std::int64_t image_sets) {
  MadeUpSweep sweep;
  sweep.image_sets = image_sets;
  sweep.seeds = 1;
  ClaimPart part;
  part.metric = "m";
  part.smallest_effect = 0.5;
  Claim claim;
  claim.name = "more";
  claim.parts = {part};
  sweep.claims = {{claim, false}};
  sweep.measure = [](const LedgerRun& run, const std::string& metric) { return scalar(metric, run.spec.image_set % 2 ? 2.0 : 0.0); };
  return sweep;
}

TEST(Power, TakesTheVarianceFromTheUnitsOfTheLedger) {
  const auto table = power_table(judge(sweep_of(10).rows()), {}, {0.8});
  ASSERT_EQ(table.size(), 1u);
  EXPECT_NEAR(table[0].sd, std::sqrt(10.0 / 9), 1e-12);
  EXPECT_EQ(table[0].rows[0].meaning, "smallest effect of interest");
  EXPECT_EQ(table[0].rows[0].units[0], units_for(0.5 / table[0].sd, 0.8, 0.05));
  EXPECT_LT(table[0].sd_interval.low, table[0].sd);
}

// Normal units with a true effect: what a verdict takes that stands up to looking after each unit.
TEST(Power, AsksASweepThatGrowsForTheUnitsAtWhichItsOwnVerdictsCome) {
  const auto units = units_of_sequence(0.8, {0.8, 0.95}, 0.05);
  ASSERT_TRUE(units[0] && units[1]);
  EXPECT_GT(*units[0], units_for(0.8, 0.8, 0.05)) << "looking is not for nothing";
  EXPECT_LT(*units[0], 6 * *units_for(0.8, 0.8, 0.05));
  EXPECT_GT(*units[1], *units[0]);
  int decided = 0;   // of sweeps that this number did not come from
  for (std::uint64_t sweep = 0; sweep < 400; ++sweep) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < *units[0]; ++i) values.push_back(0.8 + RandomStream(12).child(sweep).normal(static_cast<std::uint64_t>(i)));
    decided += ConfidenceSequence(values).p() <= 0.05;
  }
  EXPECT_NEAR(decided / 400.0, 0.8, 0.08);   // 3 SD of the difference of two shares
}

TEST(Power, CountsTheUnitsOfASequenceAsItsPDoes) {
  for (std::uint64_t sweep = 0; sweep < 20; ++sweep) {
    std::vector<double> values;
    for (std::uint64_t i = 0; i < 60; ++i) values.push_back(1 + RandomStream(3).child(sweep).normal(i));
    const auto units = units_to_decide([&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }, 60, 0.05);
    ASSERT_TRUE(units);
    EXPECT_LE(ConfidenceSequence(std::span(values).first(static_cast<std::size_t>(*units))).p(), 0.05);
    EXPECT_GT(ConfidenceSequence(std::span(values).first(static_cast<std::size_t>(*units) - 1)).p(), 0.05);
  }
}

TEST(Power, NamesTheLooksAtWhichAGrowingSweepDecides) {
  const Replication grows{10, 40, 7};
  const auto table = power_table(judge(sweep_of(10).rows()), {1.0}, {0.8}, grows);
  ASSERT_TRUE(table[0].rows[0].units[0]);
  const std::int64_t units = *table[0].rows[0].units[0];
  EXPECT_EQ((units - 10) % 7, 0);
  EXPECT_GE(units, *units_of_sequence(1 / table[0].sd, {0.8}, 0.05)[0]);
  EXPECT_THAT(power_text(table, {0.8}, "image_set", grows), HasSubstr("(10, then 7 at a\ntime; 40 at most here)"));
  EXPECT_EQ(power_json(table, {0.8}, "image_set", grows)["units_are_added"], true);
}

TEST(Power, SaysThatTwoUnitsDoNotTellHowMuchTheyVary) {
  const auto table = power_table(judge(sweep_of(2).rows()), {1.0}, {0.8});
  EXPECT_THAT(power_text(table, {0.8}, "image_set"), HasSubstr("2 image sets so far, too few"));
  EXPECT_TRUE(power_json(table, {0.8}, "image_set")["parts"][0]["sd"].is_null());
}

}  // namespace
}  // namespace palimpsest
