#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sweeps/claim_check.h"
#include "sweeps/plan.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

Plan plan_of(const std::string& rest) { return Plan(read_definition_text("study = \"planted\"\nname = \"t\"\n" + rest, "/folder/t.toml")); }

std::vector<RunSpec> all_runs(const Plan& plan) {
  std::vector<RunSpec> runs;
  for (std::int64_t i = 0; i < plan.size(); ++i) runs.push_back(plan.run_at(i));
  return runs;
}

std::vector<RunResult> results(const std::vector<RunSpec>& runs) {
  std::vector<RunResult> out;
  kPlantedStudy.run_pack(runs, {.report = [&](RunResult result) { out.push_back(std::move(result)); }, .should_stop = {}, .progress = {}});
  return out;
}

/// The score of a run at (epoch, images, layer), by place.
double score(const RunResult& result, std::size_t epoch, std::size_t images, std::size_t layer) {
  const Measurement& m = result.measurements.at(0);
  const std::size_t layers = m.axes[2].labels.size();
  return m.values.at((epoch * 2 + images) * layers + layer);
}

/// Change from the first to the last epoch, familiar minus novel, averaged over layers: what a claim of the shipped definition reads.
double change(const RunResult& result) {
  double sum = 0;
  const std::size_t layers = result.measurements.at(0).axes[2].labels.size();
  for (std::size_t l = 0; l < layers; ++l)
    sum += score(result, 2, 0, l) - score(result, 0, 0, l) - score(result, 2, 1, l) + score(result, 0, 1, l);
  return sum / static_cast<double>(layers);
}

double mean_of(const std::vector<double>& x) {
  double sum = 0;
  for (double v : x) sum += v;
  return sum / static_cast<double>(x.size());
}

double sd_of(const std::vector<double>& x) {
  double sum = 0;
  for (double v : x) sum += (v - mean_of(x)) * (v - mean_of(x));
  return std::sqrt(sum / static_cast<double>(x.size() - 1));
}

TEST(Planted, MeasuresWhatItDeclares) {
  const auto result = results({plan_of("[planted]\nsize = 5\nsteps = 7\n").run_at(0)}).at(0);
  ASSERT_EQ(result.measurements.size(), kPlantedStudy.metrics.size());
  for (std::size_t m = 0; m < result.measurements.size(); ++m) {
    const Measurement& measured = result.measurements[m];
    EXPECT_EQ(measured.metric, kPlantedStudy.metrics[m].name);
    std::size_t values = 1;
    ASSERT_EQ(measured.axes.size(), kPlantedStudy.metrics[m].axes.size());
    for (std::size_t a = 0; a < measured.axes.size(); ++a) {
      EXPECT_EQ(measured.axes[a].name, kPlantedStudy.metrics[m].axes[a]);
      values *= measured.axes[a].labels.size();
    }
    EXPECT_EQ(measured.values.size(), values);
  }
  EXPECT_EQ(result.measurements[0].values.size(), 3u * 2 * 5);
  EXPECT_EQ(result.measurements[1].values.size(), 7u);
}

TEST(Planted, DeclaresBeforeARunTheAxesItMeasuresOver) {
  const RunSpec run = plan_of("[planted]\nsize = 5\nsteps = 7\n").run_at(0);
  const auto declared = kPlantedStudy.declare(run.settings);
  const auto measured = results({run}).at(0).measurements;
  ASSERT_EQ(declared.size(), measured.size());
  for (std::size_t m = 0; m < measured.size(); ++m) {
    EXPECT_EQ(declared[m].metric, measured[m].metric);
    EXPECT_EQ(declared[m].axes, measured[m].axes);
  }
}

TEST(Planted, RefusesAClaimAtAnEpochThatItDoesNotMeasure) {
  const auto mistakes = [](const std::string& epochs) {
    return check_claims(plan_of("[[claim]]\nname = \"grows\"\nmetric = \"planted.score\"\ndirection = \"greater\"\nchange = { epoch = " + epochs + " }\n")).mistakes;
  };
  EXPECT_TRUE(mistakes("[0, 10]").empty());
  ASSERT_EQ(mistakes("[0, 100]").size(), 1u);
  EXPECT_THAT(mistakes("[0, 100]")[0], testing::HasSubstr("the claim \"grows\" cannot be judged"));
}

TEST(Planted, GivesARunTheSameNumbersInAnyCompany) {
  const Plan plan = plan_of("[sweep]\nimage_sets = 3\nseeds = 2\n");
  const auto runs = all_runs(plan);
  const auto together = results(runs);
  ASSERT_EQ(together.size(), runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto alone = results({runs[i]}).at(0);
    EXPECT_EQ(together[i].id, runs[i].id);
    EXPECT_EQ(alone.measurements[0].values, together[i].measurements[0].values);
    EXPECT_EQ(alone.measurements[1].values, together[i].measurements[1].values);
  }
  EXPECT_NE(together[0].measurements[0].values, together[1].measurements[0].values);
}

TEST(Planted, ShiftsConditionBOnFamiliarImagesByTheEffect) {
  const std::string rest = "noise_sd = 0\nresponse_sd = 0\n[sweep]\nimage_sets = 4\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n";
  const auto runs = results(all_runs(plan_of("[planted]\neffect = 0.5\n" + rest)));
  for (std::size_t g = 0; g < 4; ++g) {
    EXPECT_NEAR(score(runs[4 + g], 0, 0, 0) - score(runs[g], 0, 0, 0), 0.0, 1e-5);
    EXPECT_NEAR(score(runs[4 + g], 1, 0, 0) - score(runs[g], 1, 0, 0), 0.25, 1e-5);
    EXPECT_NEAR(score(runs[4 + g], 2, 0, 0) - score(runs[g], 2, 0, 0), 0.5, 1e-5);
    EXPECT_NEAR(score(runs[4 + g], 2, 1, 0) - score(runs[g], 2, 1, 0), 0.0, 1e-5);
    EXPECT_NEAR(change(runs[4 + g]) - change(runs[g]), 0.5, 1e-5);
  }
}

TEST(Planted, SeedsOfAUnitShareItsClusterAndItsResponse) {
  const auto runs = results(all_runs(plan_of("[planted]\nnoise_sd = 0\n[sweep]\nimage_sets = 2\nseeds = 3\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n")));
  for (std::size_t seed = 1; seed < 3; ++seed) {
    EXPECT_EQ(runs[seed].measurements[0].values, runs[0].measurements[0].values);          // unit 0, a
    EXPECT_EQ(runs[6 + seed].measurements[0].values, runs[6].measurements[0].values);      // unit 0, b
  }
  EXPECT_NE(runs[3].measurements[0].values, runs[0].measurements[0].values);               // unit 1
  EXPECT_NE(score(runs[6], 2, 0, 0), score(runs[0], 2, 0, 0));                             // its response to b
  EXPECT_EQ(score(runs[6], 0, 0, 0), score(runs[0], 0, 0, 0));                             // but the same level at first
}

TEST(Planted, NullsHaveMeanZeroAndTheirDeclaredSpreadAlsoWhenSkewed) {
  for (const char* skew : {"false", "true"}) {
    const auto runs = results(all_runs(plan_of(std::string("[planted]\nsize = 1\nnoise_sd = 0\nresponse_sd = 0\ncluster_sd = 2\nskew = ") + skew + "\n[sweep]\nimage_sets = 5000\n")));
    std::vector<double> levels;
    for (const RunResult& run : runs) levels.push_back(score(run, 0, 0, 0) - 10);
    EXPECT_NEAR(mean_of(levels), 0.0, 0.1) << skew;
    EXPECT_NEAR(sd_of(levels), 2.0, skew[0] == 't' ? 0.6 : 0.1) << skew;
  }
}

TEST(Planted, AnotherWorldIsAReplication) {
  const auto one = results({plan_of("[planted]\nworld = 1\n").run_at(0)}), two = results({plan_of("[planted]\nworld = 2\n").run_at(0)});
  EXPECT_NE(one[0].measurements[0].values, two[0].measurements[0].values);
}

TEST(Planted, FailsTheShareItIsToldToWithAReason) {
  const auto runs = results(all_runs(plan_of("[planted]\nfail_share = 0.25\n[sweep]\nimage_sets = 400\n")));
  int failed = 0;
  for (const RunResult& run : runs) {
    if (run.failure.empty()) continue;
    ++failed;
    EXPECT_EQ(run.failure, "planted to fail (planted.fail_share = 0.25)");
    EXPECT_TRUE(run.measurements.empty());
  }
  EXPECT_NEAR(failed, 100, 35);
}

TEST(Planted, FailsOnlyWhileItsFileIsThere) {
  const TemporaryFolder folder;
  const auto file = folder / "fail";
  const std::string rest = "[planted]\nfail_share = 1\nfail_while = \"" + file.string() + "\"\n";
  std::ofstream(file) << "x";
  EXPECT_FALSE(results({plan_of(rest).run_at(0)}).at(0).failure.empty());
  std::filesystem::remove(file);
  EXPECT_TRUE(results({plan_of(rest).run_at(0)}).at(0).failure.empty());
  EXPECT_EQ(plan_of(rest).run_at(0).id, plan_of("[planted]\nfail_share = 1\n").run_at(0).id);
}

TEST(Planted, StopsBetweenStepsWhenAskedAndKeepsWhatItReported) {
  const auto runs = all_runs(plan_of("[planted]\nsteps = 4\n[sweep]\nseeds = 3\n"));
  int asked = 0;
  std::vector<RunId> reported;
  std::vector<double> shares;
  const PackContext context{.report = [&](RunResult result) { reported.push_back(result.id); },
                            .should_stop = [&] { return ++asked > 6; },
                            .progress = [&](double share) { shares.push_back(share); }};
  EXPECT_THROW(kPlantedStudy.run_pack(runs, context), Interrupted);
  EXPECT_THAT(reported, testing::ElementsAre(runs[0].id));
  ASSERT_EQ(shares.size(), 6u);
  EXPECT_DOUBLE_EQ(shares.back(), 0.5);
}

TEST(Planted, TakesTheTimeItIsToldAndHearsAStopWithinIt) {
  const RunSpec run = plan_of("[planted]\nsteps = 1\nseconds = 3600\n").run_at(0);
  std::atomic<bool> stop = false;
  std::thread pack([&] {
    EXPECT_THROW(kPlantedStudy.run_pack({run}, {.report = {}, .should_stop = [&] { return stop.load(); }, .progress = {}}), Interrupted);
  });
  stop = true;
  pack.join();
  EXPECT_GE(kPlantedStudy.work(run.settings), 3600 * kWorkPerSecond);
}

}  // namespace
}  // namespace palimpsest
