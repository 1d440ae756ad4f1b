// kill -9 of rank 0, of a worker and of mpirun: nothing is lost, nothing counted twice, nobody is left behind.
//
// Each test kills the same sweep several times (PALIMPSEST_KILLS, 10 without it), starting it again each time, and compares the export of
// what is finished at last with an undisturbed one. Moments are drawn from a visible seed; what they fell on is printed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <thread>

#include "runtime/durable_file.h"
#include "runtime/random_stream.h"
#include "sweeps/ledger.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;

constexpr int kRanks = 3;
constexpr double kFinishing = 3600;  // seconds: thousands of runs, on a machine that may be busy
constexpr double kGoneWithin = 60;   // ranks whose coordinator or launcher is gone; while libraries are still being loaded a rank cannot look for anybody

int kills_wanted() {
  const char* text = std::getenv("PALIMPSEST_KILLS");
  return text ? std::atoi(text) : 10;
}

enum class Victim { kRank0, kWorker, kMpirun };

struct AKilledSweep : testing::Test {
  TemporaryFolder folder;
  std::filesystem::path results = folder / "out";

  // Runs of 0.1 s in packs of four; enough of them that every kill finds work.
  std::string definition(int kills) {
    const auto file = folder / "sweep.toml";
    std::ofstream(file) << "study = \"planted\"\nname = \"killed\"\n[planted]\nseconds = 0.01\n[packs]\nsize = 4\n[sweep]\nimage_sets = "
                        << 3 * kills + 5 << "\nseeds = 2\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n";
    return file;
  }
  // Runs that happened to be alone with workers we killed are not to blame.
  std::vector<std::string> words(const std::string& file, const std::filesystem::path& out) { return {"sweep", file, "--out", out, "--retry-quarantined"}; }
  std::string log() { return folder / "log"; }
  std::string output() { return read_file(log()); }

  // The same sweep by one process, beside the one that is killed: mostly it sleeps.
  std::unique_ptr<Process> undisturbed(const std::string& file) {
    return std::make_unique<Process>(palimpsest_command(0, words(file, folder / "whole")), folder / "whole.log");
  }
  void expect_equal_to(Process& whole) {
    EXPECT_EQ(whole.wait(kFinishing), 0);
    EXPECT_EQ(exported(results), exported(folder / "whole"));
  }

  bool pack_in_flight() {
    try {
      return Ledger::held(results) && !Ledger::open_for_reading(results).in_flight().empty();
    } catch (const InputError&) {   // not yet written
      return false;
    }
  }

  // "3 of 44 done; in flight: pack 7 with 2 of 4 done, pack 9 with 0 of 4 done"
  std::string standing() {
    try {
      const Ledger ledger = Ledger::open_for_reading(results);
      std::map<std::int64_t, int> open;
      for (const Attempt& one : ledger.in_flight()) ++open[one.pack];
      std::string text = std::to_string(runs_done(results)) + " of " + std::to_string(ledger.runs().size()) + " done";
      for (const auto& [pack, runs] : open) text += ", pack " + std::to_string(pack) + " in flight with " + std::to_string(runs) + " open";
      return text;
    } catch (const InputError&) {
      return "before anything was written";
    }
  }

  void expect_gone(const std::vector<pid_t>& ranks) {
    for (pid_t rank : ranks) EXPECT_TRUE(wait_until([&] { return !is_running(rank); }, kGoneWithin)) << "rank with pid " << rank << " stays";
  }
};

pid_t pick(Victim victim, pid_t mpirun, const std::vector<pid_t>& ranks, const RandomStream& random) {
  if (victim == Victim::kMpirun || ranks.size() < kRanks) return mpirun;
  return victim == Victim::kRank0 ? ranks[0] : ranks[1 + random.below(2, kRanks - 1)];
}

class KilledAtRandom : public AKilledSweep, public testing::WithParamInterface<Victim> {};

TEST_P(KilledAtRandom, LosesNothingAndDoublesNothing) {
  static const char* const names[] = {"rank 0", "a worker", "mpirun"};
  const int kills = kills_wanted();
  const std::string file = definition(kills);
  const auto whole = undisturbed(file);
  std::int64_t done = 0;
  for (int i = 0; i < kills; ++i) {
    const RandomStream random = RandomStream(2024).child(static_cast<std::uint64_t>(GetParam())).child(static_cast<std::uint64_t>(i));
    Process world(palimpsest_command(kRanks, words(file, results)), log());
    if (i > 0) wait_until([&] { return pack_in_flight() || !world.running(); });   // the first falls anywhere, the start included
    std::this_thread::sleep_for(std::chrono::duration<double>(random.uniform(0) * (i > 0 ? 0.4 : 3.0)));
    const auto ranks = children_of(world.pid());
    kill(pick(GetParam(), world.pid(), ranks, random), SIGKILL);
    expect_gone(ranks);
    EXPECT_NE(world.wait(), 0) << output();
    std::printf("kill %d of %s: %s\n", i + 1, names[static_cast<int>(GetParam())], standing().c_str());
    EXPECT_GE(runs_done(results), done) << "a committed result is gone";
    done = runs_done(results);
  }
  ASSERT_EQ(Process(palimpsest_command(kRanks, words(file, results)), log()).wait(kFinishing), 0) << output();
  expect_equal_to(*whole);
}

INSTANTIATE_TEST_SUITE_P(Each, KilledAtRandom, testing::Values(Victim::kRank0, Victim::kWorker, Victim::kMpirun),
                         [](const auto& victim) {
                           return std::string(victim.param == Victim::kRank0 ? "Rank0" : victim.param == Victim::kWorker ? "AWorker" : "Mpirun");
                         });

// The two moments that chance might miss.
struct KilledAtAPoint : AKilledSweep {
  void kill_and_resume(const std::string& point) {
    const std::string file = definition(2);
    const auto whole = undisturbed(file);
    EXPECT_NE(Process(palimpsest_command(kRanks, words(file, results)), log(), {{{"PALIMPSEST_CRASH_AT", point}}, false, 0}).wait(), 0);
    std::printf("killed at %s: %s\n", point.c_str(), standing().c_str());
    EXPECT_GT(runs_done(results), 0);
    ASSERT_EQ(Process(palimpsest_command(kRanks, words(file, results)), log()).wait(), 0) << output();
    expect_equal_to(*whole);
  }
};

TEST_F(KilledAtAPoint, BetweenCommitAndReplyLosesNothing) { kill_and_resume("after-commit:5"); }

// The sixth run of a rank is the second of its second pack.
TEST_F(KilledAtAPoint, InsideAPackLosesOnlyItsOpenRuns) { kill_and_resume("inside-pack:6"); }

TEST_F(AKilledSweep, LeavesNoRankBehindWhenMpirunAndRank0DieTogether) {
  Process world(palimpsest_command(kRanks, words(definition(5), results)), log());
  ASSERT_TRUE(wait_until([&] { return pack_in_flight(); }));
  const auto ranks = children_of(world.pid());
  ASSERT_EQ(ranks.size(), static_cast<std::size_t>(kRanks));
  kill(world.pid(), SIGKILL);
  kill(ranks[0], SIGKILL);
  expect_gone(ranks);
}

// An mpirun that does not move cannot help: workers see by themselves that rank 0 is gone.
TEST_F(AKilledSweep, LeavesNoWorkerBehindWhenRank0DiesAndMpirunHangs) {
  Process world(palimpsest_command(kRanks, words(definition(5), results)), log());
  ASSERT_TRUE(wait_until([&] { return pack_in_flight(); }));
  const auto ranks = children_of(world.pid());
  ASSERT_EQ(ranks.size(), static_cast<std::size_t>(kRanks));
  kill(world.pid(), SIGSTOP);
  kill(ranks[0], SIGKILL);
  expect_gone(ranks);
  kill(world.pid(), SIGCONT);
}

TEST_F(AKilledSweep, UnderLaunchGoesOnByItself) {
  const std::string file = definition(2);
  const auto whole = undisturbed(file);
  Process launcher(launch_command(kRanks, words(file, results)), log());
  ASSERT_TRUE(wait_until([&] { return pack_in_flight(); }));
  const auto worlds = children_of(launcher.pid());
  ASSERT_EQ(worlds.size(), 1u);
  const auto ranks = children_of(worlds[0]);
  ASSERT_EQ(ranks.size(), static_cast<std::size_t>(kRanks));
  kill(ranks[0], SIGKILL);
  expect_gone(ranks);
  ASSERT_TRUE(wait_until([&] { return !is_running(worlds[0]); })) << output();
  ASSERT_TRUE(wait_until([&] { return pack_in_flight(); })) << output();
  const auto next = children_of(launcher.pid());
  ASSERT_EQ(next.size(), 1u);
  kill(next[0], SIGKILL);
  EXPECT_EQ(launcher.wait(), 0) << output();
  EXPECT_THAT(output(), testing::ContainsRegex("(rank 0 on [^ ]+ was killed by signal 9 .Killed.|mpirun ended with [0-9]+ before rank 0 was through.*); starting again"));
  EXPECT_THAT(output(), HasSubstr("mpirun was killed by signal 9; starting again"));
  expect_equal_to(*whole);
}

TEST_F(AKilledSweep, UnderLaunchEndsWithItsLauncher) {
  Process launcher(launch_command(kRanks, words(definition(5), results)), log());
  ASSERT_TRUE(wait_until([&] { return pack_in_flight(); }));
  const auto worlds = children_of(launcher.pid());
  ASSERT_EQ(worlds.size(), 1u);
  auto everybody = children_of(worlds[0]);
  everybody.push_back(worlds[0]);
  kill(launcher.pid(), SIGKILL);
  expect_gone(everybody);
}

TEST_F(AKilledSweep, UnderLaunchGivesUpWhenNoRestartIsLeft) {
  const std::string file = definition(1);
  std::vector<std::string> command = launch_command(2, words(file, results));
  command.insert(command.begin() + 2, {"--restarts", "1"});
  EXPECT_EQ(Process(command, log(), {{{"PALIMPSEST_CRASH_AT", "after-commit:1"}}, false, 0}).wait(), 3);
  EXPECT_THAT(output(), HasSubstr("no restart is left"));
  EXPECT_GT(runs_done(results), 0);
}

}  // namespace
}  // namespace palimpsest
