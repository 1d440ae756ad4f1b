// What a sweep that runs on several ranks does about those that are lost, silent, out of memory or killed by a run.

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <regex>
#include <set>
#include <thread>

#include "runtime/durable_file.h"
#include "sweeps/ledger.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kRanks = 3;

struct Running : testing::Test {
  TemporaryFolder folder;
  std::filesystem::path out = folder / "out";

  // Four runs of ten steps for each set; `more` is of [planted], `packs` of [packs].
  std::string definition(double seconds, const std::string& more = "", const std::string& packs = "size = 4\n", int sets = 6) {
    const auto file = folder / "sweep.toml";
    std::ofstream(file) << "study = \"planted\"\nname = \"running\"\n[planted]\nseconds = " << seconds << "\n" << more << "[packs]\n" << packs
                        << "[sweep]\nimage_sets = " << sets << "\nseeds = 2\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n";
    return file;
  }
  std::vector<std::string> words(const std::string& file, const std::filesystem::path& results) { return {"sweep", file, "--out", results}; }
  std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string log() { return folder / "log"; }
  std::string said() { return read_file(log()); }
  std::string undisturbed(const std::string& file) {
    EXPECT_EQ(Process(palimpsest_command(0, words(file, folder / "whole")), folder / "whole.log").wait(), 0);
    return exported(folder / "whole");
  }
  // Ranks under a launcher, once some are at work on a pack.
  std::vector<pid_t> ranks_at_work(Process& launcher) {
    std::vector<pid_t> ranks;
    EXPECT_TRUE(wait_until([&] {
      const auto worlds = children_of(launcher.pid());
      if (worlds.size() == 1) ranks = children_of(worlds[0]);
      return ranks.size() == kRanks && packs_in_flight() == kRanks;
    })) << said();
    return ranks;
  }
  std::size_t packs_in_flight() {
    try {
      std::set<std::int64_t> packs;
      for (const Attempt& one : Ledger::open_for_reading(out).in_flight()) packs.insert(one.pack);
      return packs.size();
    } catch (const InputError&) {
      return 0;
    }
  }
};

TEST_F(Running, GoesOnWithTheOthersWhereAWorkerIsKilled) {
  const std::string file = definition(0.02);
  const std::string whole = undisturbed(file);
  Process launcher(launch_command(kRanks, words(file, out)), log());
  const auto ranks = ranks_at_work(launcher);
  ASSERT_EQ(ranks.size(), 3u);
  kill(ranks[2], SIGKILL);
  EXPECT_EQ(launcher.wait(), 0) << said();
  EXPECT_THAT(said(), HasSubstr("ended before its time; its runs go to others"));
  EXPECT_THAT(said(), Not(HasSubstr("starting again"))) << "the world outlived it";
  EXPECT_EQ(exported(out), whole);
}

TEST_F(Running, GoesOnFromTheSnapshotOfAWorkerThatIsKilled) {
  const std::string file = definition(0.1, "", "size = 3\nsnapshot_every = 0.2\n", 3);
  const std::string whole = undisturbed(file);
  Process launcher(launch_command(kRanks, words(file, out)), log());
  const auto ranks = ranks_at_work(launcher);
  ASSERT_EQ(ranks.size(), 3u);
  const auto saved = [&] {
    std::size_t count = 0;
    if (std::filesystem::exists(out / "snapshots"))
      for (const auto& entry : std::filesystem::directory_iterator(out / "snapshots")) count += entry.path().extension() == ".safetensors";
    return count;
  };
  ASSERT_TRUE(wait_until([&] { return saved() == kRanks; })) << said();   // of each pack the run that is at work
  kill(ranks[1], SIGKILL), kill(ranks[2], SIGKILL);
  EXPECT_EQ(launcher.wait(), 0) << said();
  EXPECT_TRUE(std::regex_search(read_file(out / "log.jsonl"), std::regex("goes on from step [1-9]"))) << said();
  EXPECT_EQ(exported(out), whole);
}

TEST_F(Running, TakesAWorkerThatDoesNotMoveForLost) {
  const std::string file = definition(0.02);
  const std::string whole = undisturbed(file);
  Process launcher(launch_command(kRanks, words(file, out)), log(), {{{"PALIMPSEST_SILENCE", "3"}}, false, 0});
  const auto ranks = ranks_at_work(launcher);
  ASSERT_EQ(ranks.size(), 3u);
  kill(ranks[1], SIGSTOP);
  EXPECT_EQ(launcher.wait(), 0) << said();
  EXPECT_THAT(said(), HasSubstr("nothing was heard of rank"));
  EXPECT_TRUE(wait_until([&] { return !is_running(ranks[1]); }));
  EXPECT_EQ(exported(out), whole);
}

// Two of the 24 runs kill the rank they are on, rank 0 among them: the world is started again and again, until those and no others are set apart.
TEST_F(Running, FindsRunsThatKillTheirWorkersAndFinishesAllOthers) {
  const auto broken = folder / "broken";
  std::ofstream(broken) << "x";
  const std::string file = definition(0, "kill_share = 0.1\nfail_seed = 3\nfail_while = \"" + broken.string() + "\"\n");
  std::int64_t quarantined = 0, done = 0;
  for (int starts = 0; starts < 60 && quarantined + done < 24; ++starts) {
    Process(launch_command(kRanks, words(file, out)), log()).wait();
    const auto runs = Ledger::open_for_reading(out).runs();
    quarantined = std::ranges::count_if(runs, [](const LedgerRun& run) { return run.quarantined; });
    done = std::ranges::count(runs, RunState::kDone, &LedgerRun::state);
  }
  std::printf("%d in quarantine, %d done\n", static_cast<int>(quarantined), static_cast<int>(done));
  EXPECT_EQ(Process(palimpsest_command(0, words(file, out)), log()).wait(), 1) << said();
  EXPECT_EQ(quarantined, 2) << "one that does not kill was taken for one that does";
  EXPECT_EQ(done, 22);
  EXPECT_EQ(Process(palimpsest_command(0, {"status", out}), folder / "status").wait(), 0);
  EXPECT_THAT(read_file(folder / "status"), HasSubstr("in quarantine"));
  EXPECT_THAT(read_file(folder / "status"), HasSubstr("killed by signal 11 (segmentation fault)"));
  std::filesystem::remove(broken);
  EXPECT_EQ(Process(palimpsest_command(0, with(words(file, out), {"--retry-failed"})), log()).wait(), 1) << "they are not only failed";
  EXPECT_EQ(Process(palimpsest_command(0, with(words(file, out), {"--retry-quarantined"})), log()).wait(), 0) << said();
  EXPECT_EQ(exported(out), undisturbed(file));
}

// Eight runs of a second in packs of four, stopped half way through the first run.
struct Stopped : Running {
  std::string file = definition(0.1, "", "size = 4\nsnapshot_every = 0\n", 2);
  void begin_and_stop() {
    Process process(palimpsest_command(0, words(file, out)), log());
    ASSERT_TRUE(wait_until([&] { return packs_in_flight() > 0; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    process.send(SIGTERM);
    EXPECT_EQ(process.wait(10), 3) << said();
    ASSERT_FALSE(std::filesystem::is_empty(out / "snapshots")) << said();
  }
};

TEST_F(Stopped, GoesOnFromItsSnapshotOnAnotherNumberOfRanksAndLeavesNone) {
  Process whole(palimpsest_command(0, words(file, folder / "whole")), folder / "whole.log");
  begin_and_stop();
  ASSERT_EQ(Process(palimpsest_command(2, with(words(file, out), {"--set", "packs.size=3"})), log()).wait(), 0) << said();
  EXPECT_TRUE(std::regex_search(read_file(out / "log.jsonl"), std::regex("goes on from step [1-9]")));
  EXPECT_FALSE(std::filesystem::exists(out / "snapshots")) << "they are not needed any more";
  EXPECT_EQ(whole.wait(), 0);
  EXPECT_EQ(exported(out), exported(folder / "whole"));
}

TEST_F(Stopped, BeginsARunAnewWhoseSnapshotIsDamaged) {
  begin_and_stop();
  for (const auto& entry : std::filesystem::directory_iterator(out / "snapshots")) {
    std::string bytes = read_file(entry.path());
    bytes.back() ^= 1;
    std::ofstream(entry.path(), std::ios::binary) << bytes;
  }
  ASSERT_EQ(Process(palimpsest_command(3, words(file, out)), log()).wait(), 0) << said();
  EXPECT_THAT(said(), HasSubstr("begins anew"));
  EXPECT_THAT(said(), HasSubstr("its bytes are not those that were written"));
}

TEST_F(Stopped, KilledWithoutAWordLosesNoMoreThanSinceTheLastSnapshot) {
  definition(0.1, "", "size = 4\nsnapshot_every = 0.2\n", 2);
  {
    Process process(palimpsest_command(0, words(file, out)), log());
    const auto is_whole = [](const auto& entry) { return entry.path().extension() == ".safetensors"; };
    ASSERT_TRUE(wait_until([&] {
      return std::filesystem::exists(out / "snapshots") &&
             std::ranges::any_of(std::filesystem::directory_iterator(out / "snapshots"), is_whole);
    }));
    process.send(SIGKILL);
    process.wait();
  }
  ASSERT_EQ(Process(palimpsest_command(2, words(file, out)), log()).wait(), 0) << said();
  EXPECT_TRUE(std::regex_search(read_file(out / "log.jsonl"), std::regex("goes on from step [1-9]")));
}

// Half an epoch cannot be saved: where one takes long, the pack is saved before it, and a stop in its midst goes back there.
struct StoppedInALongEpoch : Running {
  void train_slow_weights() {
    std::ofstream(folder / "slow.toml") << "[model]\nsize = \"micro\"\n[images]\nsource = \"dead-leaves\"\ntotal = 16\nside = 64\n[training]\nsteps = 1\nbatch = 4\n";
    EXPECT_EQ(Process(palimpsest_command(0, {"pretrain", folder / "slow.toml", "--out", folder / "slow"}), log()).wait(), 0) << said();
  }
  // Two epochs of 64 steps, all runs in one pack.
  std::string familiarity(int runs) {
    std::ofstream(folder / "sweep.toml")
        << "study = \"familiarity\"\nname = \"long\"\n[slow]\nweights = \"slow/weights.safetensors\"\nreadout = \"mean\"\n"
           "[images]\nsource = \"dead-leaves\"\ntotal = 128\nside = 64\ncount = 64\n[training]\nepochs = 2\nsteps_per_epoch = 64\n"
           "[noise]\nlevels = [0, 0.3]\npatterns = 1\n[alignment]\nreference = 0\ncentre = \"set\"\n"
           "[evaluation]\nepochs = [2]\nmanifold_epochs = [2]\nmetrics = [\"activity\"]\n[packs]\nsnapshot_every = 0\nsize = "
        << runs << "\n[sweep]\nimage_sets = 1\nseeds = " << runs << "\n";
    return folder / "sweep.toml";
  }
  // Whether it was stopped in its second epoch; false: it came to its end, with nothing saved.
  bool stops_after_a_snapshot(const std::string& file) {
    Process process(palimpsest_command(0, words(file, out)), log());
    EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(out / "snapshots") || !process.running(); }, 120));
    if (!process.running()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const auto told = std::chrono::steady_clock::now();
    process.send(SIGTERM);
    EXPECT_EQ(process.wait(10), 3) << said();
    std::printf("ended %.1f s after SIGTERM\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - told).count());
    return true;
  }
};

TEST_F(StoppedInALongEpoch, GoesOnFromBeforeItToTheSameTables) {
  train_slow_weights();
  int runs = 5;   // what is long depends on the machine
  while (!stops_after_a_snapshot(familiarity(runs))) {
    ASSERT_LT(runs *= 2, 200) << "no epoch was saved before, however long";
    std::filesystem::remove_all(out);
  }
  const std::string file = folder / "sweep.toml";
  Process whole(palimpsest_command(0, words(file, folder / "whole")), folder / "whole.log");
  ASSERT_EQ(runs_done(out), 0);
  ASSERT_EQ(Process(palimpsest_command(0, words(file, out)), log()).wait(), 0) << said();
  EXPECT_TRUE(std::regex_search(read_file(out / "log.jsonl"), std::regex("goes on from step 4"))) << "before the second epoch";
  EXPECT_EQ(whole.wait(), 0);
  EXPECT_EQ(exported(out), exported(folder / "whole"));
}

TEST_F(Running, SplitsAPackThatRunsOutOfMemory) {
  const std::string file = definition(0, "most = 3\n", "size = 12\n");
  ASSERT_EQ(Process(palimpsest_command(2, words(file, out)), log()).wait(), 0) << said();
  const std::string crowded = exported(out);
  ASSERT_EQ(Process(palimpsest_command(0, with(words(file, folder / "small"), {"--set", "packs.size=2"})), log()).wait(), 0);
  EXPECT_EQ(crowded, exported(folder / "small"));
}

}  // namespace
}  // namespace palimpsest
