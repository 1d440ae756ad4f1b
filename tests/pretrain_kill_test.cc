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
};

TEST_F(AKilledPretraining, EndsInTheBitsOfAnUndisturbedOne) {
  const int kills = kills_wanted();
  const std::string file = definition(20 * (kills + 1));
  ASSERT_EQ(Process(palimpsest_command(2, words(file, folder / "whole")), log()).wait(), 0) << read_file(log());
  for (int i = 0; i < kills; ++i) {
    const RandomStream random = RandomStream(7).child(static_cast<std::uint64_t>(i));
    const std::string before = newest_checkpoint();
    Process world(palimpsest_command(2, words(file, out)), log());
    wait_for_progress(world, before);
    std::this_thread::sleep_for(std::chrono::duration<double>(0.2 * random.uniform(0)));
    const auto ranks = children_of(world.pid());
    if (!world.running() || ranks.size() < 2) break;  // it was faster
    const auto victim = random.below(1, 3);
    std::printf("kill %d: %s, after %s\n", i + 1,
                victim == 2   ? "mpirun"
                : victim == 1 ? "rank 1"
                              : "rank 0",
                newest_checkpoint().c_str());
    kill(victim == 2 ? world.pid() : ranks[victim], SIGKILL);
    EXPECT_NE(world.wait(), 0);
    for (const pid_t rank : ranks) EXPECT_TRUE(wait_until([&] { return !is_running(rank); }, 60));
  }
  ASSERT_EQ(Process(palimpsest_command(2, words(file, out)), log()).wait(), 0) << read_file(log());
  for (const char* name : {"weights.safetensors", "losses.csv"})
    EXPECT_TRUE(read_file(out / name) == read_file(folder / "whole" / name)) << name;
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
  EXPECT_THAT(read_file(log()), HasSubstr("rank 1"));
}

}  // namespace
}  // namespace palimpsest
