// Claims whose conditions are compared where both have come to the same loss.

#include "sweeps/matched_courses.h"

#include <gmock/gmock.h>

#include "sweeps/claim_words.h"
#include "sweeps/ledger_json.h"
#include "sweeps/verdict.h"
#include "tests/made_up_rows.h"

namespace palimpsest {
namespace {

const std::string kQkv = "fast.qkv", kAdapter = "adapter", kFull = "full";

LedgerClaim claim(const std::string& name, const ClaimPart& part) {
  Claim out;
  out.name = name;
  out.parts = {part};
  return {out, false};
}

/// Two conditions learn at different speed; what is measured grows as the loss falls, more so by `more` with the adapter. One step an epoch.
MadeUpSweep learning_at_two_speeds(double more) {
  ClaimPart part;
  part.metric = "scope";
  part.treatment = {{kQkv, kAdapter}}, part.baseline = {{kQkv, kFull}};
  part.change_axis = "epoch", part.change_from = "0", part.change_to = "100";
  auto matched = part;
  matched.matched = "loss";
  MadeUpSweep sweep;
  sweep.grid = {{kQkv, {kAdapter, kFull}}};
  sweep.claims = {claim("at the end", part), claim("at equal loss", matched)};
  sweep.measure = [more](const LedgerRun& run, const std::string& metric) {
    const bool adapter = run.spec.settings.string(kQkv) == kAdapter;
    const auto learned = [&](double epoch) { return (adapter ? 0.004 : 0.008) * epoch * (1 + 0.01 * static_cast<double>(run.spec.image_set)); };
    if (metric == "loss") {
      Measurement loss{metric, {{"step", {}}}, {}};
      std::vector<std::string> steps;
      for (int step = 1; step <= 100; ++step) {
        steps.push_back(std::to_string(step));
        const double jump = step % 3 == 0 ? 0.1 : 0;   // dropout makes it no smooth course
        loss.values.push_back(static_cast<float>(1 - learned(step - 1) + jump));
      }
      loss.axes = {{"step", steps}};
      return loss;
    }
    const double gain = adapter ? 1 + more : 1;
    return Measurement{metric, {{"epoch", {"0", "20", "40", "60", "80", "100"}}},
                       {0, static_cast<float>(gain * learned(20)), static_cast<float>(gain * learned(40)), static_cast<float>(gain * learned(60)),
                        static_cast<float>(gain * learned(80)), static_cast<float>(gain * learned(100))}};
  };
  return sweep;
}

std::vector<ClaimResult> judged_at_two_speeds(double more) {
  auto rows = learning_at_two_speeds(more).rows();
  rows.matchable = {{"loss", "training.steps_per_epoch"}};
  return judge(rows);
}

TEST(AtEqualLoss, ThereIsNoDifferenceWhereOneConditionOnlyLearnsFaster) {
  const auto claims = judged_at_two_speeds(0);
  EXPECT_NEAR(claims.at(0).parts.at(0).effect, (0.4 - 0.8) * 1.06, 1e-6);
  EXPECT_NEAR(claims.at(1).parts.at(0).effect, 0, 1e-6);
}

TEST(AtEqualLoss, TheDifferenceIsWhatTheConditionItselfDoes) {
  const auto claims = judged_at_two_speeds(0.5);
  const auto& part = claims.at(1).parts.at(0);
  // The adapter ends at the loss before its last step, after 99; the full updates were there after 49.5.
  EXPECT_NEAR(part.effect, 0.5 * 0.004 * 99 * 1.06, 1e-6);
  EXPECT_EQ(part.units.size(), 13u);
  EXPECT_EQ(statistic_words(part.part), "change of scope, epoch 0 to 100, at equal loss");
}

TEST(AtEqualLoss, RunsWithoutALossCountAsUnmeasured) {
  auto sweep = learning_at_two_speeds(0);
  sweep.measured = [](const LedgerRun& run, const std::string& metric) { return metric != "loss" || run.spec.image_set != 4; };
  auto rows = sweep.rows();
  rows.matchable = {{"loss", "training.steps_per_epoch"}};
  const auto claims = judge(rows);
  const auto& part = claims.at(1).parts.at(0);
  EXPECT_EQ(part.units.size(), 12u);
  EXPECT_EQ(part.unmeasured_runs, 6);
}

TEST(AtEqualLoss, AClaimComesBackFromALedgerAsAnotherThanTheOneAtTheEnd) {
  const auto sweep = learning_at_two_speeds(0);
  const Claim &plain = sweep.claims.at(0).claim, &matched = sweep.claims.at(1).claim;
  EXPECT_EQ(claim_of_json(to_json(matched)).parts, matched.parts);
  EXPECT_NE(claim_hash(matched), claim_hash(plain));
  EXPECT_NE(claim_toml(matched).find("matched = \"loss\""), std::string::npos);
}

}  // namespace
}  // namespace palimpsest
