#include "sweeps/verdict.h"

#include <cmath>

#include <gmock/gmock.h>

#include "runtime/random_stream.h"
#include "tests/made_up_rows.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string kQkv = "fast.qkv", kRate = "training.learning_rate";

/// A number of mean 0 and SD 1 that is a function of what is named.
double noise(std::uint64_t seed, std::initializer_list<std::uint64_t> of) {
  RandomStream stream(seed);
  for (std::uint64_t branch : of) stream = stream.child(branch);
  return stream.normal(0);
}

bool is(const LedgerRun& run, const std::string& key, const Value& value) { return run.spec.settings.at(key) == value; }

ClaimPart adapter_minus_full(const std::string& metric, double smallest_effect = 0) {
  ClaimPart part;
  part.metric = metric;
  part.treatment = {{kQkv, std::string("adapter")}};
  part.baseline = {{kQkv, std::string("full")}};
  part.smallest_effect = smallest_effect;
  return part;
}

LedgerClaim claim(const std::string& name, std::vector<ClaimPart> parts, std::vector<std::string> each = {}) {
  Claim out;
  out.name = name;
  out.parts = std::move(parts);
  out.each = std::move(each);
  return {out, false};
}

/// Two conditions, 13 image sets, 3 seeds; the metric is `effect` larger with the adapter, on top of what image sets
/// and seeds do to both.
MadeUpSweep planted(double effect, std::vector<LedgerClaim> claims) {
  MadeUpSweep sweep;
  sweep.grid = {{kQkv, {std::string("adapter"), std::string("full")}}};
  sweep.claims = std::move(claims);
  sweep.measure = [effect](const LedgerRun& run, const std::string& metric) {
    const auto set = static_cast<std::uint64_t>(run.spec.image_set), seed = static_cast<std::uint64_t>(run.spec.seed);
    const bool adapter = is(run, kQkv, std::string("adapter"));
    const double value =
        noise(1, {set}) + 0.3 * noise(2, {seed}) + 0.05 * noise(3, {set, seed, adapter}) + (adapter ? effect : 0);
    return scalar(metric, value);
  };
  return sweep;
}

ClaimResult only(const MadeUpSweep& sweep) { return judge(sweep.rows()).at(0); }

TEST(Verdict, SupportsAPlantedEffect) {
  const auto result = only(planted(0.5, {claim("more", {adapter_minus_full("m", 0.1)})}));
  EXPECT_EQ(word(result.verdict), "supported");
  EXPECT_THAT(result.parts, SizeIs(1));
  EXPECT_THAT(result.parts[0].units, SizeIs(13));
  EXPECT_NEAR(result.parts[0].effect, 0.5, 0.05);
  EXPECT_LT(result.parts[0].interval.low, 0.5);
  EXPECT_GT(result.parts[0].interval.high, 0.5);
  EXPECT_DOUBLE_EQ(result.p_adjusted, std::ldexp(1, -12));
  EXPECT_EQ(result.why, "The effect has the claimed sign in 13 of 13 image sets; p < 0.001.");
}

TEST(Verdict, ContradictsAPlantedEffectOfTheOtherSign) {
  const auto result = only(planted(-0.5, {claim("more", {adapter_minus_full("m", 0.1)})}));
  EXPECT_EQ(word(result.verdict), "contradicted");
  EXPECT_THAT(result.why, HasSubstr("the other way in 13 of 13 image sets"));
}

TEST(Verdict, CallsAnEffectWithinTheSmallestOfInterestNegligible) {
  EXPECT_EQ(word(only(planted(0, {claim("more", {adapter_minus_full("m", 0.1)})})).verdict), "negligible");
  // Its sign is beyond doubt, but it is too small to matter.
  const auto tiny = only(planted(0.05, {claim("more", {adapter_minus_full("m", 0.1)})}));
  EXPECT_LT(tiny.p_adjusted, 0.05);
  EXPECT_EQ(word(tiny.verdict), "negligible");
  EXPECT_THAT(tiny.why, HasSubstr("within ±0.1, the smallest effect of interest"));
}

TEST(Verdict, LeavesOpenWhatTheUnitsCannotTell) {
  const auto no_bound = only(planted(0, {claim("more", {adapter_minus_full("m")})}));
  EXPECT_EQ(word(no_bound.verdict), "undecided");
  EXPECT_THAT(no_bound.why, HasSubstr("does not clear zero"));
  auto few = planted(0.5, {claim("more", {adapter_minus_full("m", 0.1)})});
  few.image_sets = 4;
  EXPECT_EQ(word(only(few).verdict), "undecided");
  EXPECT_THAT(only(few).why, HasSubstr("With 4 image sets no sign-flip p below 0.125 is possible"));
}

TEST(Verdict, ReadsTheDirectionOfTheClaim) {
  auto part = adapter_minus_full("m", 0.1);
  part.direction = Direction::kLess;
  EXPECT_EQ(word(only(planted(0.5, {claim("less", {part})})).verdict), "contradicted");
  EXPECT_EQ(word(only(planted(-0.5, {claim("less", {part})})).verdict), "supported");
}

TEST(Verdict, SupportsAClaimOnlyWhenAllItsPartsHold) {
  const auto with = [](double second, double smallest_effect = 0.1) {
    auto sweep = planted(
        0.5, {claim("both", {adapter_minus_full("first", 0.1), adapter_minus_full("second", smallest_effect)})});
    sweep.measure = [first = sweep.measure, shift = 0.5 - second](const LedgerRun& run, const std::string& metric) {
      auto measured = first(run, metric);
      if (metric == "second" && is(run, kQkv, std::string("adapter"))) measured.values[0] -= static_cast<float>(shift);
      return measured;
    };
    return only(sweep);
  };
  EXPECT_EQ(word(with(0.5).verdict), "supported");
  EXPECT_EQ(word(with(0).verdict), "negligible");
  EXPECT_EQ(word(with(-0.5).verdict), "contradicted");
  EXPECT_EQ(word(with(0, 0).verdict), "undecided");
  EXPECT_THAT(with(0, 0).why, HasSubstr("1 of 2 parts hold; open is second"));
  EXPECT_EQ(with(0.5).p, std::max(with(0.5).parts[0].p, with(0.5).parts[1].p));
  EXPECT_DOUBLE_EQ(with(-0.5).p, 2 * with(-0.5).parts[1].p);
}

TEST(Verdict, AsksForEachValueOfTheKeysInEach) {
  auto sweep = planted(0.5, {claim("at each rate", {adapter_minus_full("m", 0.1)}, {kRate})});
  sweep.grid.push_back({kRate, {1e-4, 3e-4}});
  const auto planted_everywhere = only(sweep);
  EXPECT_EQ(word(planted_everywhere.verdict), "supported");
  EXPECT_THAT(planted_everywhere.parts, SizeIs(2));
  sweep.measure = [everywhere = sweep.measure](const LedgerRun& run, const std::string& metric) {
    auto measured = everywhere(run, metric);
    if (is(run, kRate, 3e-4) && is(run, kQkv, std::string("adapter"))) measured.values[0] -= 1;
    return measured;
  };
  const auto turned = only(sweep);
  EXPECT_EQ(word(turned.verdict), "contradicted");
  EXPECT_THAT(turned.why, HasSubstr("learning rate 3e-4"));
}

TEST(Verdict, PairsOnTheKeysOfTheGridThatAClaimDoesNotName) {
  auto sweep = planted(0.5, {claim("over rates", {adapter_minus_full("m", 0.1)})});
  sweep.grid.push_back({kRate, {1e-4, 3e-4}});
  // The rates differ by far more than the conditions do, and one of four pairs has no baseline in image set 0:
  // unpaired, it would show.
  sweep.measure = [same = sweep.measure](const LedgerRun& run, const std::string& metric) {
    auto measured = same(run, metric);
    if (is(run, kRate, 3e-4)) measured.values[0] += 100;
    return measured;
  };
  sweep.state = [](const LedgerRun& run) {
    return is(run, kRate, 3e-4) && is(run, kQkv, std::string("full")) && run.spec.image_set == 0 ? RunState::kWaiting
                                                                                                 : RunState::kDone;
  };
  const auto result = only(sweep);
  EXPECT_NEAR(result.parts[0].effect, 0.5, 0.05);
  EXPECT_THAT(result.parts[0].units, SizeIs(13));
  EXPECT_EQ(result.parts[0].missing_runs, 3);
  EXPECT_TRUE(result.provisional);
}

const std::string kRank = "fast.rank";

/// The adapter at three ranks, `full` without one: there the key has its base value, 8, and no run is repeated.
Rows with_ranks_of_the_adapter_alone(std::vector<LedgerClaim> claims) {
  MadeUpSweep sweep = planted(0.5, std::move(claims));
  sweep.grid.push_back({kRank, {std::int64_t{8}, std::int64_t{32}, std::int64_t{128}}});
  sweep.measure = [same = sweep.measure](const LedgerRun& run, const std::string& metric) {
    auto measured = same(run, metric);
    measured.values[0] += static_cast<float>(std::get<std::int64_t>(run.spec.settings.at(kRank)) - 8);
    return measured;
  };
  Rows rows = sweep.rows();
  std::erase_if(rows.runs, [](const LedgerRun& run) { return is(run, kQkv, std::string("full")) && !is(run, kRank, std::int64_t{8}); });
  rows.when = {{kRank, {{kQkv, std::string("adapter")}}}};
  return rows;
}

TEST(Verdict, ComparesEveryValueOfAnAxisThatTheBaselineDoesNotHave) {
  const auto part = judge(with_ranks_of_the_adapter_alone({claim("more", {adapter_minus_full("m")})})).at(0).parts.at(0);
  EXPECT_NEAR(part.effect, (0.5 + 24.5 + 120.5) / 3, 0.05);
  EXPECT_THAT(part.units, SizeIs(13));
  EXPECT_EQ(part.unpaired_runs, 0);
}

TEST(Verdict, HoldsTheBaselineAgainstEachValueOfAnAxisThatItDoesNotHave) {
  const auto result = judge(with_ranks_of_the_adapter_alone({claim("at each rank", {adapter_minus_full("m")}, {kRank})})).at(0);
  ASSERT_THAT(result.parts, SizeIs(3));
  EXPECT_NEAR(result.parts[0].effect, 0.5, 0.05);
  EXPECT_NEAR(result.parts[2].effect, 120.5, 0.05);
  for (const PartResult& part : result.parts) EXPECT_EQ(part.unpaired_runs, 0);
}

TEST(Verdict, CountsRunsThatFindNoPartnerOnTheOtherSide) {
  Rows rows = with_ranks_of_the_adapter_alone({claim("more", {adapter_minus_full("m")})});
  rows.when.clear();   // as if rank 8 were a value that `full` was asked for
  const auto part = judge(rows).at(0).parts.at(0);
  EXPECT_NEAR(part.effect, 0.5, 0.05);
  EXPECT_EQ(part.unpaired_runs, 13 * 3 * 2);
  EXPECT_EQ(part.missing_runs, 0);
}

TEST(Verdict, KeepsClaimsThatWereWithdrawnAfterResultsInTheCorrection) {
  std::vector<LedgerClaim> claims;
  for (int i = 0; i < 4; ++i) claims.push_back(claim("claim " + std::to_string(i), {adapter_minus_full("m")}));
  const double before = judge(planted(0.5, claims).rows())[0].p_adjusted;
  for (int i = 1; i < 4; ++i) claims[static_cast<std::size_t>(i)].withdrawn = true;
  const auto results = judge(planted(0.5, claims).rows());
  EXPECT_DOUBLE_EQ(results[0].p_adjusted, before);
  EXPECT_TRUE(results[3].withdrawn);
  EXPECT_THAT(results[0].why, HasSubstr("after correction for 4 claims"));
}

TEST(Verdict, SaysThatDoneRunsDidNotMeasureTheMetricInsteadOfWaitingForThem) {
  auto sweep = planted(0.5, {claim("more", {adapter_minus_full("m")})});
  sweep.measured = [](const LedgerRun&, const std::string& metric) { return metric != "m"; };
  const auto result = only(sweep);
  EXPECT_EQ(result.parts[0].missing_runs, 0);
  EXPECT_GT(result.parts[0].unmeasured_runs, 0);
  EXPECT_FALSE(result.provisional);
  EXPECT_THAT(result.why, HasSubstr("did not measure m"));
}

TEST(Verdict, AveragesSeedsWithinTheUnitSoThatSeedsAddNoUnits) {
  auto sweep = planted(0.5, {claim("more", {adapter_minus_full("m")})});
  sweep.image_sets = 3;
  sweep.seeds = 50;
  EXPECT_THAT(only(sweep).parts[0].units, SizeIs(3));
  EXPECT_EQ(word(only(sweep).verdict), "undecided");
}

TEST(Verdict, CountsFailedRunsAndBoundsWhatTheyCouldHaveDone) {
  auto sweep = planted(0.5, {claim("more", {adapter_minus_full("m", 0.1)})});
  const auto whole = only(sweep);
  sweep.state = [](const LedgerRun& run) {
    const bool fails = is(run, kQkv, std::string("adapter")) &&
                       (run.spec.image_set == 2 || (run.spec.image_set == 5 && run.spec.seed == 1));
    return fails ? RunState::kFailed : RunState::kDone;
  };
  const auto part = only(sweep).parts[0];
  EXPECT_EQ(part.failed_runs, 4);
  EXPECT_EQ(part.left_out_units, 1);
  EXPECT_THAT(part.units, SizeIs(12));
  EXPECT_LT(part.worst_case.low, part.effect);
  EXPECT_GT(part.worst_case.high, part.effect);
  EXPECT_EQ(whole.parts[0].worst_case.low, whole.parts[0].effect);
  EXPECT_EQ(whole.parts[0].worst_case.high, whole.parts[0].effect);
}

TEST(Verdict, TakesADivergedRunForAFailedOne) {
  auto sweep = planted(0.5, {claim("more", {adapter_minus_full("m", 0.1)})});
  sweep.measure = [sound = sweep.measure](const LedgerRun& run, const std::string& metric) {
    auto measured = sound(run, metric);
    if (is(run, kQkv, std::string("full")) && run.spec.image_set == 7) measured.values[0] = std::nanf("");
    return measured;
  };
  const auto part = only(sweep).parts[0];
  EXPECT_EQ(part.failed_runs, 3);
  EXPECT_EQ(part.left_out_units, 1);
  EXPECT_TRUE(std::isfinite(part.effect));
}

TEST(Verdict, JudgesASweepWithoutRunsAndSaysWhatIsMissing) {
  auto sweep = planted(0.5, {claim("more", {adapter_minus_full("m", 0.1)})});
  sweep.state = [](const LedgerRun&) { return RunState::kWaiting; };
  EXPECT_EQ(word(only(sweep).verdict), "undecided");
  EXPECT_EQ(only(sweep).why, "None of its runs is done yet (78 runs to come).");
  sweep.grid[0].values = {std::string("frozen")};
  EXPECT_EQ(only(sweep).why, "No run of this sweep matches its treatment and baseline.");
}

TEST(Verdict, SaysWhichLabelAMetricDoesNotHave) {
  auto part = adapter_minus_full("m");
  part.at = {{"epoch", "100"}};
  EXPECT_THAT(only(planted(0.5, {claim("more", {part})})).why, HasSubstr("the metric m has no axis \"epoch\""));
}

TEST(Verdict, AdjustsExploratoryClaimsAmongThemselves) {
  std::vector<LedgerClaim> claims;
  for (int i = 0; i < 4; ++i) claims.push_back(claim("planned " + std::to_string(i), {adapter_minus_full("m")}));
  claims.push_back(claim("later", {adapter_minus_full("m")}));
  claims.back().exploratory = true;
  const auto results = judge(planted(0.5, claims).rows());
  EXPECT_DOUBLE_EQ(results[0].p_adjusted, 4 * results[0].p);
  EXPECT_DOUBLE_EQ(results[4].p_adjusted, results[4].p);
  EXPECT_TRUE(results[4].exploratory);
}

// 13 image sets that differ by far more than seeds do, in a skewed way; 3 seeds crossed with them; four claims, one of
// them of two parts and one at each of two rates. Nothing distinguishes the conditions.
MadeUpSweep null_sweep(std::uint64_t sweep_seed) {
  auto sweep = planted(
      0, {claim("a", {adapter_minus_full("a")}), claim("b", {adapter_minus_full("b"), adapter_minus_full("b2")}),
          claim("c", {adapter_minus_full("c")}, {kRate}), claim("d", {adapter_minus_full("d")})});
  sweep.grid.push_back({kRate, {1e-4, 3e-4}});
  sweep.measure = [sweep_seed](const LedgerRun& run, const std::string& metric) {
    const auto set = static_cast<std::uint64_t>(run.spec.image_set), seed = static_cast<std::uint64_t>(run.spec.seed);
    const std::uint64_t adapter = is(run, kQkv, std::string("adapter")), fast = is(run, kRate, 3e-4);
    const auto skewed = [&](std::uint64_t scale, auto... of) {
      return std::exp(noise(sweep_seed, {purpose(metric), scale, of...}));
    };
    return scalar(metric, skewed(0, set) + 0.5 * skewed(1, seed) + skewed(2, set, adapter) +
                              0.5 * skewed(3, set, seed, adapter, fast));
  };
  return sweep;
}

int sweeps_with_a_wrong_verdict(std::uint64_t first, std::uint64_t count) {
  int wrong = 0;
  for (std::uint64_t s = first; s < first + count; ++s) {
    bool any = false;
    for (const auto& result : judge(null_sweep(s).rows()))
      any |= result.verdict == Verdict::kSupported || result.verdict == Verdict::kContradicted;
    wrong += any;
  }
  return wrong;
}

TEST(Verdict, IsWrongAboutAtMostFivePercentOfNullSweeps) {
  EXPECT_LE(sweeps_with_a_wrong_verdict(0, 200), 10);
  EXPECT_LE(sweeps_with_a_wrong_verdict(1000, 1000), 50);
}

TEST(Verdict, CallsAnEffectAsLargeAsTheSmallestOfInterestNegligibleInAtMostFivePercentOfSweeps) {
  int wrong = 0;
  for (std::uint64_t s = 0; s < 200; ++s) {
    std::vector<LedgerClaim> claims;
    for (const auto* metric : {"a", "b", "c", "d"}) claims.push_back(claim(metric, {adapter_minus_full(metric, 0.5)}));
    auto sweep = planted(0, claims);
    sweep.measure = [s](const LedgerRun& run, const std::string& metric) {
      const auto set = static_cast<std::uint64_t>(run.spec.image_set);
      const bool adapter = is(run, kQkv, std::string("adapter"));
      return scalar(metric, 0.5 * adapter + 0.3 * noise(s, {purpose(metric), set, adapter}));
    };
    bool any = false;
    for (const auto& result : judge(sweep.rows())) any |= result.verdict == Verdict::kNegligible;
    wrong += any;
  }
  EXPECT_LE(wrong, 10);
}

TEST(Verdict, IsWrongAboutHalfOfThemWhenRunsAreTakenForUnits) {
  // What the unit is there for: the same sweeps, had each run been an image set of its own.
  int wrong = 0;
  for (std::uint64_t s = 0; s < 50; ++s) {
    auto rows = null_sweep(s).rows();
    for (LedgerRun& run : rows.runs) run.spec.image_set += 100 * run.spec.seed;
    bool any = false;
    for (const auto& result : judge(rows))
      any |= result.verdict == Verdict::kSupported || result.verdict == Verdict::kContradicted;
    wrong += any;
  }
  EXPECT_GE(wrong, 10);
}

}  // namespace
}  // namespace palimpsest
