// kill -9 and SIGSTOP of ranks that pretrain together: the same command goes on, to the same bits, and the lost rank is
// named.
//
// PALIMPSEST_KILLS: how often one run is killed (3 without it). Moments are drawn from a visible seed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <thread>

#include "runtime/durable_file.h"
#include "runtime/random_stream.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;

int kills_wanted() {
  const char* text = std::getenv("PALIMPSEST_KILLS");
  return text ? std::atoi(text) : 3;
}

struct AKilledPretraining : testing::Test {
  TemporaryFolder folder;
  std::filesystem::path out = folder / "out";

  // Steps of some milliseconds.
  std::string definition(int steps) {
    const auto file = folder / "definition.toml";
    std::ofstream(file) << "[model]\nwidth = 16\ndepth = 3\nheads = 2\npatch = 4\nside = 16\ndecoder_width = "
                           "16\ndecoder_depth = 2\ndecoder_heads = 2\n"
                           "[images]\ntotal = 20\nside = 24\n[validation]\ncount = 4\nevery = 100\n"
                           "[training]\nbatch = 8\ncheckpoint_steps = 5\nsteps = "
                        << steps << "\n[sharding]\nstrategy = \"full\"\n";
    return file;
  }
  std::vector<std::string> words(const std::string& file, const std::filesystem::path& to) {
    return {"pretrain", file, "--out", to};
  }
  std::string log() { return folder / "log"; }

  std::string newest_checkpoint() {
    std::string newest;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(out / "checkpoints", error), end; !error && entry != end;
         entry.increment(error))
      if (const auto name = entry->path().filename().string(); name.find("unfinished") == std::string::npos)
        newest = std::max(newest, name);
    return newest;
  }
  bool wait_for_progress(Process& world, const std::string& since) {
    return wait_until([&] { return newest_checkpoint() > since || !world.running(); }, 100);
  }

  // Kills a rank, or mpirun, and waits until all of them are gone. Whether the world did not end by itself before.
  bool kills_one(Process& world, std::uint64_t which) {
    kill(world.pid(), SIGSTOP);   // so that it starts no rank meanwhile
    const auto ranks = children_of(world.pid());
    const bool mpirun = which >= ranks.size();
    std::printf("%s, after %s\n", mpirun ? "mpirun" : which == 1 ? "rank 1" : "rank 0", newest_checkpoint().c_str());
    kill(mpirun ? world.pid() : ranks[which], SIGKILL);
    kill(world.pid(), SIGCONT);
    const bool lost = world.wait() != 0;
    for (const pid_t rank : ranks) EXPECT_TRUE(wait_until([&] { return !is_running(rank); }, 60));
    return lost;
  }

  void expect_whole(const std::filesystem::path& whole) {
    for (const char* name : {"weights.safetensors", "losses.csv"}) EXPECT_TRUE(read_file(out / name) == read_file(whole / name)) << name;
  }
};

// At moments of the whole life of the processes: while ranks start and meet, read a checkpoint, train, write, and end.
TEST_F(AKilledPretraining, EndsInTheBitsOfAnUndisturbedOne) {
  const int wanted = kills_wanted();
  const std::string file = definition(100);
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_EQ(Process(palimpsest_command(2, words(file, folder / "whole")), log()).wait(), 0) << read_file(log());
  const std::chrono::duration<double> life = std::chrono::steady_clock::now() - begun;
  int kills = 0, ends = 0, before_training = 0;
  for (std::uint64_t start = 0; kills < wanted; ++start) {
    ASSERT_LT(start, 10u * static_cast<unsigned>(wanted) + 10u) << "it ends before it can be killed";
    const RandomStream random = RandomStream(7).child(start);
    const std::string before = newest_checkpoint();
    Process world(palimpsest_command(2, words(file, out)), log());
    const auto moment = std::chrono::steady_clock::now() + random.uniform(0) * life;
    wait_until([&] { return std::chrono::steady_clock::now() >= moment || !world.running(); });
    std::printf("kill %d, after %.0f %% of a life: ", kills + 1, 100 * random.uniform(0));
    if (!world.running() || !kills_one(world, static_cast<std::uint64_t>(random.below(1, 3)))) {   // it was through: the next one begins anew
      std::printf("it had ended\n");
      expect_whole(folder / "whole");
      std::filesystem::remove_all(out);
      ++ends;
      continue;
    }
    ++kills;
    before_training += newest_checkpoint() == before;
  }
  std::printf("%d kills, %d of them before a checkpoint was written; %d runs ended between them\n", kills, before_training, ends);
  EXPECT_EQ(kills, wanted);
  if (wanted >= 20) {
    EXPECT_GT(before_training, 0);
    EXPECT_LT(before_training, kills);
  }
  ASSERT_EQ(Process(palimpsest_command(2, words(file, out)), log()).wait(), 0) << read_file(log());
  expect_whole(folder / "whole");
}

struct ALostRank : AKilledPretraining {
  // Under `launch`, which is not to start again; its exit code.
  int after_signal(int signal, const std::map<std::string, std::string>& environment) {
    auto command = launch_command(2, {"--restarts", "0"});
    for (const auto& word : words(definition(1'000'000), out)) command.push_back(word);
    Process launch(command, log(), {.environment = environment});
    EXPECT_TRUE(wait_for_progress(launch, ""));
    const auto mpirun = children_of(launch.pid());
    const auto ranks = mpirun.empty() ? std::vector<pid_t>() : children_of(mpirun[0]);
    EXPECT_EQ(ranks.size(), 2u) << read_file(log());
    if (ranks.size() == 2) kill(ranks[1], signal);
    return launch.wait(60);
  }
};

TEST_F(ALostRank, ThatWasStoppedIsNamedAndTheExitCodeSaysThatItCanGoOn) {
  EXPECT_EQ(after_signal(SIGSTOP, {{"PALIMPSEST_SILENCE", "5"}}), 3);
  EXPECT_THAT(read_file(log()), HasSubstr("rank 1 has shown no sign of life for 5 s"));
}

TEST_F(ALostRank, ThatWasKilledIsNamedAndTheExitCodeSaysThatItCanGoOn) {
  EXPECT_EQ(after_signal(SIGKILL, {}), 3);
  EXPECT_THAT(read_file(log()), testing::ContainsRegex("rank 1 on [^ ]+ was killed by signal 9 .Killed., and no restart is left"));
}

}  // namespace
}  // namespace palimpsest
