// What a user sees of a sweep that is run, stopped, resumed and refused.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "runtime/durable_file.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const ProcessSetting kObedient = {.environment = {}, .no_override = true, .largest_file = 0};
const ProcessSetting kSmallDisk = {.environment = {}, .no_override = false, .largest_file = 500'000};

struct ASweep : testing::Test {
  TemporaryFolder folder;

  // 24 runs; a step takes `seconds`, and a run has ten.
  std::string definition(const std::string& name, double seconds, const std::string& more = "") {
    const auto file = folder / (name + ".toml");
    std::ofstream(file) << "study = \"planted\"\nname = \"" << name << "\"\n[planted]\nseconds = " << seconds << "\n"
                        << more << "[sweep]\nimage_sets = 6\nseeds = 2\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n";
    return file;
  }

  std::vector<std::string> words(const std::string& file, const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"sweep", file, "--out", folder / out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::string log_of(const std::string& out) { return folder / (out + ".log"); }

  int sweep(int ranks, const std::string& file, const std::string& out, const std::vector<std::string>& more = {}) {
    return Process(palimpsest_command(ranks, words(file, out, more)), log_of(out)).wait();
  }
  int launch(int ranks, const std::string& file, const std::string& out) {
    return Process(launch_command(ranks, words(file, out)), log_of(out)).wait();
  }

  std::string output(const std::string& out) { return read_file(log_of(out)); }
  std::string table(const std::string& out) { return exported(folder / out); }
  bool begun(const std::string& out) { return runs_done(folder / out) > 0; }
};

TEST_F(ASweep, ExportsTheSameBytesOnOneTwoAndThreeRanksInPacksOfOneFourAndSixteen) {
  const std::string file = definition("fast", 0);
  ASSERT_EQ(sweep(0, file, "alone"), 0) << output("alone");
  const std::string expected = table("alone");
  for (int ranks : {1, 2, 3})
    for (int pack : {1, 4, 16}) {
      const std::string out = std::to_string(ranks) + "x" + std::to_string(pack);
      const std::string sized = definition(out, 0, "[packs]\nsize = " + std::to_string(pack) + "\n");
      ASSERT_EQ(sweep(ranks, sized, out), 0) << output(out);
      EXPECT_EQ(table(out), expected) << ranks << " ranks, packs of " << pack;
    }
}

// An effect that ten image sets leave open; the claim about condition a alone stays open to the end.
std::string growing(const TemporaryFolder& folder, const std::string& name, double seconds) {
  const auto file = folder / (name + ".toml");
  std::ofstream(file) << "study = \"planted\"\nname = \"grows\"\n[planted]\neffect = 1.6\nseconds = " << seconds
                      << "\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n"
                         "[replicate]\nuntil = \"every claim decided\"\nmin = 4\nbatch = 4\nmax = 24\n"
                         "[[claim]]\nname = \"more\"\nmetric = \"planted.score\"\nat = { images = \"familiar\" }\nchange = { epoch = [0, 10] }\n"
                         "direction = \"greater\"\ntreatment = { \"planted.condition\" = \"b\" }\nbaseline = { \"planted.condition\" = \"a\" }\n"
                         "[[claim]]\nname = \"grows\"\nmetric = \"planted.score\"\nchange = { epoch = [0, 10] }\ndirection = \"greater\"\n"
                         "treatment = { \"planted.condition\" = \"a\" }\n";
  return file;
}

TEST_F(ASweep, GrowsUntilItsClaimsAreDecidedAlikeOnOneAndThreeRanks) {
  const std::string file = growing(folder, "grows", 0);
  ASSERT_EQ(sweep(0, file, "alone"), 0) << output("alone");
  EXPECT_THAT(output("alone"), HasSubstr("on to 8 image sets; open: more; grows"));
  EXPECT_THAT(output("alone"), HasSubstr("no units are left to add after 24 image sets; open: grows"));
  EXPECT_LT(runs_done(folder / "alone"), 48);
  ASSERT_EQ(sweep(3, file, "three"), 0) << output("three");
  EXPECT_EQ(table("three"), table("alone"));
  ASSERT_EQ(sweep(0, file, "alone"), 0) << output("alone");
  EXPECT_EQ(table("alone"), table("three")) << "swept again there is nothing to do";
}

TEST_F(ASweep, GrowsOnAfterAKillAsIfThereHadBeenNone) {
  ASSERT_EQ(sweep(0, growing(folder, "quick", 0), "whole"), 0) << output("whole");
  const std::string file = growing(folder, "slow", 0.002);
  {
    Process killed(palimpsest_command(0, words(file, "killed")), log_of("killed"));
    ASSERT_TRUE(wait_until([&] { return runs_done(folder / "killed") > 10; }));
    killed.send(SIGKILL);
    killed.wait();
  }
  ASSERT_EQ(sweep(0, file, "killed"), 0) << output("killed");
  EXPECT_EQ(runs_done(folder / "killed"), runs_done(folder / "whole"));
}

TEST_F(ASweep, ThatGrowsIsRefusedInSlices) {
  EXPECT_EQ(sweep(0, growing(folder, "grows", 0), "slice", {"--slice", "1/2"}), 2);
  EXPECT_THAT(output("slice"), HasSubstr("Leave --slice out"));
}

TEST_F(ASweep, InSlicesReadAsOneExportsWhatTheWholeDoes) {
  const std::string file = definition("fast", 0);
  ASSERT_EQ(sweep(0, file, "whole"), 0) << output("whole");
  std::vector<std::filesystem::path> slices;
  for (const std::string slice : {"3", "1", "2"}) {
    ASSERT_EQ(sweep(slice == "2" ? 2 : 0, file, "slice" + slice, {"--slice", slice + "/3"}), 0) << output("slice" + slice);
    EXPECT_THAT(output("slice" + slice), HasSubstr("8 runs: 8 done"));
    slices.push_back(folder / ("slice" + slice));
  }
  EXPECT_EQ(exported(slices), table("whole"));
  EXPECT_NE(exported(std::vector{slices[0], slices[1]}), table("whole"));
}

TEST_F(ASweep, InAFolderOfAnotherSliceIsRefused) {
  const std::string file = definition("fast", 0);
  ASSERT_EQ(sweep(0, file, "half", {"--slice", "1/2"}), 0) << output("half");
  EXPECT_EQ(sweep(0, file, "half", {"--slice", "2/2"}), 2);
  EXPECT_THAT(output("half"), HasSubstr("holds slice 1/2 of the sweep, and slice 2/2 was asked for"));
  EXPECT_EQ(runs_done(folder / "half"), 12);
  EXPECT_EQ(Process(palimpsest_command(0, {"report", folder / "half", "--no-svg"}), log_of("report")).wait(), 0);
  EXPECT_THAT(output("report"), HasSubstr("This is slice 1 of 2; slice 2 is missing."));
}

TEST_F(ASweep, TellsWhatTheOneBeforeInItsFolderIsNoLongerAskedFor) {
  const std::string claim = "[[claim]]\nname = \"more\"\nmetric = \"planted.score\"\ndirection = \"greater\"\ntreatment = { \"planted.condition\" = \"b\" }\n";
  const std::string first = definition("first", 0), second = definition("second", 0.001);
  std::ofstream(first, std::ios::app) << claim;
  ASSERT_EQ(sweep(0, first, "out"), 0) << output("out");
  EXPECT_THAT(output("out"), Not(HasSubstr("no longer asked for")));
  ASSERT_EQ(sweep(0, second, "out"), 0) << output("out");
  EXPECT_THAT(output("out"), HasSubstr("was \"first\"; 24 runs, 1 claim no longer asked for"));
  EXPECT_EQ(Process(palimpsest_command(0, {"report", folder / "out", "--no-svg"}), log_of("report")).wait(), 0);
  EXPECT_THAT(output("report"), HasSubstr("more (withdrawn after results)"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out" / "snapshots"));
}

TEST_F(ASweep, MayHaveMoreRanksThanPacks) {
  const std::string file = definition("fast", 0, "[packs]\nsize = 16\n");
  ASSERT_EQ(sweep(4, file, "out", {"--set", "sweep.image_sets=1", "--set", "sweep.seeds=1"}), 0) << output("out");
  EXPECT_THAT(output("out"), HasSubstr("2 runs: 2 done, 0 failed"));
}

TEST_F(ASweep, HasNothingToDoASecondTime) {
  const std::string file = definition("fast", 0);
  ASSERT_EQ(sweep(0, file, "out"), 0);
  const std::string before = table("out");
  ASSERT_EQ(sweep(0, file, "out"), 0);
  EXPECT_THAT(output("out"), HasSubstr("24 done before, 0 failed before, 0 to do"));
  EXPECT_EQ(table("out"), before);
}

TEST_F(ASweep, RunsOnlyWhatAnEditedDefinitionAdds) {
  const std::string file = definition("fast", 0);
  ASSERT_EQ(sweep(0, file, "out"), 0);
  ASSERT_EQ(sweep(0, file, "out", {"--set", "sweep.image_sets=8"}), 0);
  EXPECT_THAT(output("out"), HasSubstr("32 runs, 24 done before, 0 failed before, 8 to do"));
}

TEST_F(ASweep, LeavesItsDefinitionAsGivenAndResolvedBesideTheLedger) {
  const std::string file = definition("fast", 0);
  ASSERT_EQ(sweep(0, file, "out"), 0);
  EXPECT_EQ(read_file(folder / "out" / "sweep.toml"), read_file(file));
  EXPECT_THAT(read_file(folder / "out" / "resolved.toml"), HasSubstr("cluster_sd = 1.0"));
  EXPECT_THAT(read_file(folder / "out" / "log.jsonl"), HasSubstr("24 to do"));
}

TEST_F(ASweep, ThatHasFailedRunsEndsWithOneAndMendsThemOnRequest) {
  const auto broken = folder / "broken";
  const std::string file = definition("failing", 0, "fail_share = 0.5\nfail_while = \"" + broken.string() + "\"\n");
  ASSERT_EQ(sweep(0, file, "whole"), 0);
  std::ofstream(broken) << "x";
  EXPECT_EQ(sweep(2, file, "out"), 1);
  EXPECT_THAT(output("out"), HasSubstr("planted to fail"));
  EXPECT_THAT(output("out"), HasSubstr("--retry-failed"));
  std::filesystem::remove(broken);
  EXPECT_EQ(sweep(2, file, "out"), 1) << "failed runs stay failed until asked for again";
  EXPECT_EQ(sweep(2, file, "out", {"--retry-failed"}), 0) << output("out");
  EXPECT_EQ(table("out"), table("whole"));
}

TEST_F(ASweep, StopsInOrderAtSigtermAndResumes) {
  const std::string file = definition("slow", 0.01, "[packs]\nsize = 4\n");
  Process process(palimpsest_command(0, words(file, "out")), log_of("out"));
  ASSERT_TRUE(wait_until([&] { return begun("out"); }));
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(10), 3);
  EXPECT_THAT(output("out"), HasSubstr("The same command resumes: palimpsest sweep"));
  const auto done = runs_done(folder / "out");
  EXPECT_GT(done, 0);
  EXPECT_LT(done, 24);
  EXPECT_EQ(sweep(0, file, "out"), 0);
  EXPECT_THAT(output("out"), HasSubstr(std::to_string(done) + " done before"));
}

TEST_F(ASweep, UnderLaunchStopsInOrderAtSigtermAndResumes) {
  const std::string file = definition("slow", 0.02, "[packs]\nsize = 4\n");
  Process process(launch_command(3, words(file, "out")), log_of("out"));
  ASSERT_TRUE(wait_until([&] { return begun("out"); }));
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(20), 3);
  EXPECT_THAT(output("out"), HasSubstr("The same command resumes"));
  EXPECT_THAT(output("out"), Not(HasSubstr("prterun noticed"))) << "it was no crash";
  EXPECT_LT(runs_done(folder / "out"), 24);
  EXPECT_EQ(launch(3, file, "out"), 0) << output("out");
}

TEST_F(ASweep, RefusesASecondCoordinatorWithFour) {
  const std::string file = definition("slow", 0.05);
  Process first(palimpsest_command(0, words(file, "out")), log_of("out"));
  ASSERT_TRUE(wait_until([&] { return begun("out"); }));
  Process second(palimpsest_command(2, words(file, "out")), log_of("second"));
  EXPECT_EQ(second.wait(), 4);
  EXPECT_THAT(output("second"), HasSubstr("process " + std::to_string(first.pid())));
  EXPECT_TRUE(first.running());
}

// As on a file system without locks.
TEST_F(ASweep, ThatWasTakenOverByAnotherCoordinatorEndsWithFour) {
  const std::string file = definition("slow", 0.02, "[packs]\nsize = 2\n");
  Process first(palimpsest_command(0, words(file, "out")), log_of("out"));
  ASSERT_TRUE(wait_until([&] { return begun("out"); }));
  std::filesystem::remove(folder / "out" / "ledger.lock");
  Process second(palimpsest_command(0, words(file, "out")), log_of("second"));
  EXPECT_EQ(first.wait(), 4) << output("out");
  EXPECT_THAT(output("out"), HasSubstr("another coordinator took this sweep over"));
  EXPECT_EQ(second.wait(), 0) << output("second");
}

TEST_F(ASweep, StopsInOrderAtItsLimitsAndGoesOn) {
  const std::string file = definition("slow", 0.05, "[packs]\nsize = 4\n");
  EXPECT_EQ(sweep(2, file, "out", {"--max-hours", "0.0003"}), 3) << output("out");
  EXPECT_THAT(output("out"), HasSubstr("(--max-hours)"));
  EXPECT_EQ(sweep(0, file, "out", {"--min-free-disk", "1e9"}), 3);
  EXPECT_THAT(output("out"), HasSubstr("(--min-free-disk 1e+09)"));
  EXPECT_EQ(sweep(0, file, "out", {"--max-cost", "1"}), 2);
  EXPECT_THAT(output("out"), HasSubstr("no price is known"));
  const std::string priced = definition("priced", 0.05, "[packs]\nsize = 4\n[cost]\ndevice_hour = 3600\n");
  EXPECT_EQ(sweep(2, priced, "priced", {"--max-cost", "2"}), 3);
  EXPECT_THAT(output("priced"), HasSubstr("stopped at a cost of 2 USD (--max-cost)"));
  EXPECT_EQ(sweep(3, file, "out"), 0) << output("out");
}

TEST_F(ASweep, TellsABadDefinitionOnceHoweverManyRanks) {
  const std::string file = definition("bad", 0, "efect = 1\n");
  EXPECT_EQ(sweep(3, file, "out"), 2);
  const std::string said = output("out");
  EXPECT_THAT(said, HasSubstr("efect"));
  EXPECT_EQ(said.find("efect"), said.rfind("efect")) << said;
  EXPECT_FALSE(std::filesystem::exists(folder / "out" / "ledger.sqlite"));
}

TEST_F(ASweep, UnderLaunchEndsWithTheCodeOfItsOutcomeAndWithoutNoise) {
  const std::string file = definition("bad", 0, "efect = 1\n");
  EXPECT_EQ(launch(3, file, "out"), 2);
  EXPECT_THAT(output("out"), Not(HasSubstr("prterun")));
}

// Rank 0 is killed at each start, as it would be where memory runs out.
TEST_F(ASweep, UnderLaunchThatIsKilledAtEachStartEndsAtTheSecondWithItsReason) {
  const std::string file = definition("fast", 0);
  Process process(launch_command(2, words(file, "out")), log_of("out"), {{{"PALIMPSEST_CRASH_AT", "session-begun"}}, false, 0});
  EXPECT_EQ(process.wait(), 3);
  const std::string said = output("out");
  EXPECT_THAT(said, ContainsRegex("rank 0 on [^ ]+ was killed by signal 9 .Killed., for the second time within seconds of the start and before any work. The system does so where memory runs out"));
  EXPECT_EQ(said.find("starting again"), said.rfind("starting again")) << said;
  EXPECT_THAT(said, Not(HasSubstr("noticed that process")));
}

TEST_F(ASweep, RefusesAFolderThatCannotBeWrittenTo) {
  const std::string file = definition("fast", 0);
  std::filesystem::create_directory(folder / "out");
  std::filesystem::permissions(folder / "out", std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  Process process(palimpsest_command(0, words(file, "out")), log_of("out"), kObedient);
  EXPECT_EQ(process.wait(), 2);
  EXPECT_THAT(output("out"), HasSubstr("out"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out"));
  std::filesystem::permissions(folder / "out", std::filesystem::perms::owner_all);
}

TEST_F(ASweep, OfAFinishedFolderThatIsReadOnlyIsStillReadAndExported) {
  const std::string file = definition("fast", 0);
  ASSERT_EQ(sweep(0, file, "out"), 0);
  const auto readable = std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec;
  std::filesystem::permissions(folder / "out", readable);
  for (const char* name : {"ledger.sqlite", "ledger.lock"}) std::filesystem::permissions(folder / "out" / name, std::filesystem::perms::owner_read);
  const std::vector<std::string> to_export = {"export", folder / "out", "--out", folder / "tables"};
  EXPECT_EQ(Process(palimpsest_command(0, {"status", folder / "out"}), log_of("out"), kObedient).wait(), 0) << output("out");
  EXPECT_EQ(Process(palimpsest_command(0, to_export), log_of("out"), kObedient).wait(), 0) << output("out");
  EXPECT_EQ(Process(palimpsest_command(0, words(file, "out")), log_of("refused"), kObedient).wait(), 2) << output("refused");
  std::filesystem::permissions(folder / "out", std::filesystem::perms::owner_all);
}

TEST_F(ASweep, RefusesALedgerThatIsNone) {
  const std::string file = definition("fast", 0);
  std::filesystem::create_directory(folder / "out");
  std::ofstream(folder / "out" / "ledger.sqlite") << std::string(10000, 'x');
  EXPECT_EQ(sweep(0, file, "out"), 2);
  EXPECT_THAT(output("out"), HasSubstr("is damaged, or no ledger"));
  EXPECT_EQ(read_file(folder / "out" / "ledger.sqlite"), std::string(10000, 'x'));
}

// A disk that takes no more: here, files that may not grow.
TEST_F(ASweep, EndsWithThreeWhereTheDiskIsFullAndResumesWithRoom) {
  const std::string file = definition("fast", 0, "size = 2000\n[packs]\nsize = 1\n");   // 48 kB a run
  ASSERT_EQ(sweep(0, file, "whole"), 0);
  Process process(palimpsest_command(0, words(file, "out")), log_of("out"), kSmallDisk);
  EXPECT_EQ(process.wait(), 3);
  EXPECT_THAT(output("out"), HasSubstr("full"));
  EXPECT_LT(runs_done(folder / "out"), 24);
  EXPECT_EQ(sweep(0, file, "out"), 0) << output("out");
  EXPECT_EQ(table("out"), table("whole"));
}

TEST_F(ASweep, IsCountedByStatusWhileItRuns) {
  const std::string file = definition("slow", 0.05, "[packs]\nsize = 4\n");
  Process process(palimpsest_command(0, words(file, "out")), log_of("out"));
  ASSERT_TRUE(wait_until([&] { return begun("out"); }));
  EXPECT_EQ(Process(palimpsest_command(0, {"status", folder / "out"}), log_of("status")).wait(), 0);
  EXPECT_THAT(output("status"), HasSubstr("of 24 runs done"));
  EXPECT_THAT(output("status"), HasSubstr("running"));
  EXPECT_THAT(output("status"), HasSubstr("runs/h"));
  EXPECT_THAT(output("status"), HasSubstr("planted.condition = b"));
  EXPECT_THAT(output("status"), HasSubstr("rank 0:"));
}

}  // namespace
}  // namespace palimpsest
