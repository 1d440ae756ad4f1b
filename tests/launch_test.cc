// What `palimpsest launch` decides before it starts ranks, and what it shows of what they write.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "launch/host_list.h"
#include "launch/host_losses.h"
#include "launch/launch_request.h"
#include "launch/mpirun_command.h"
#include "launch/peer_clock.h"
#include "launch/rank_lines.h"
#include "launch/restarts.h"
#include "launch/world_process.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Hosts.

struct AHostfile : testing::Test {
  TemporaryFolder folder;
  std::filesystem::path file = folder / "hosts";
  std::vector<Host> read(const std::string& text) {
    std::ofstream(file) << text;
    return read_hostfile(file);
  }
};

TEST_F(AHostfile, HasAHostALineWithOrWithoutSlots) {
  EXPECT_THAT(read("# ours\nnode1 slots=8\n\nnode2   # as many as it has cores\n"),
              ElementsAre(Host{"node1", 8}, Host{"node2", 0}));
}

TEST_F(AHostfile, IsRefusedWithTheLineThatIsWrong) {
  EXPECT_THAT(message_of<InputError>([&] { read("node1 slots=8\nnode2 slots=many\n"); }),
              AllOf(HasSubstr(file.string() + ":2"), HasSubstr("slots=many")));
  EXPECT_THAT(message_of<InputError>([&] { read("node1\nnode1\n"); }), HasSubstr("twice"));
  EXPECT_THAT(message_of<InputError>([&] { read("# nobody\n"); }), HasSubstr("names no host"));
}

TEST(ANodeListOfSlurm, IsWrittenOut) {
  EXPECT_THAT(expand_node_list("node[1-3,07],gpu5"), ElementsAre("node1", "node2", "node3", "node07", "gpu5"));
  EXPECT_THAT(expand_node_list("r[08-10]"), ElementsAre("r08", "r09", "r10"));
  EXPECT_THAT(expand_node_list("a[1-2]b[3-4]"), ElementsAre("a1b3", "a1b4", "a2b3", "a2b4"));
  EXPECT_THAT(expand_counts("2(x3),4"), ElementsAre(2, 2, 2, 4));
  EXPECT_THROW(expand_node_list("node[1-"), InputError);
  EXPECT_THROW(expand_node_list("node[3-1]"), InputError);
}

// Ranks.

TEST(Ranks, AreAsManyAsTheHostsHaveSlots) { EXPECT_EQ(ranks_to_start({}, {{"a", 4}, {"b", 2}}), 6); }

TEST(Ranks, BeyondTheCoresAreRefusedUnlessAskedFor) {
  LaunchRequest request;
  request.ranks = 8;
  EXPECT_THAT(message_of<InputError>([&] {
                ranks_to_start(request, {{"a", 4}, {"b", 2}});
              }),
              AllOf(HasSubstr("a 4, b 2"), HasSubstr("-n 6"), HasSubstr("--oversubscribe")));
  request.oversubscribe = true;
  EXPECT_EQ(ranks_to_start(request, {{"a", 4}, {"b", 2}}), 8);
}

TEST(ANetwork, IsAnAddressWithItsBitsOrAnInterface) {
  for (const char* good : {"", "10.0.0.0/24", "10.0.0.0/24,192.168.1.0/16", "eth0", "ib0,eth1"}) EXPECT_NO_THROW(refuse_unreadable_network(good)) << good;
  for (const char* bad : {"10", "10.0.0.0", "10.0.0/24", "10.0.0.0/24,", ",eth0", "10.0.0.0/24 eth0", "-3", "10.0.0.0/99", "999.0.0.0/24"}) EXPECT_THROW(refuse_unreadable_network(bad), InputError) << bad;
}

TEST(AFolderForResults, ThatCannotBeMadeIsRefusedAndNothingIsMade) {
  const TemporaryFolder folder;
  write_durably(folder / "file", "");
  EXPECT_THAT(message_of<InputError>([&] { refuse_impossible_folder(folder / "file" / "out"); }), HasSubstr("this folder cannot be made: " + (folder / "file").string() + " is no folder"));
  refuse_impossible_folder(folder / "new" / "out");
  EXPECT_FALSE(std::filesystem::exists(folder / "new"));
}

TEST(Ranks, AreOneForEachCoreOrSoManyForEachGpuThatTheCommandComputesOn) {
  LaunchRequest request;
  request.gpus = "auto";
  EXPECT_EQ(ranks_of_host(request, "a", 16, 0), 16);
  EXPECT_EQ(ranks_of_host(request, "a", 16, 2), 2);
  request.ranks_per_gpu = 3;
  EXPECT_EQ(ranks_of_host(request, "a", 16, 2), 6);
  EXPECT_THAT(message_of<InputError>([&] { ranks_of_host(request, "a", 16, 0); }), HasSubstr("--ranks-per-gpu 3: a shows no GPU"));
  request.gpus.clear();
  EXPECT_THAT(message_of<InputError>([&] { ranks_of_host(request, "a", 16, 2); }), HasSubstr("this command computes on no GPU"));
}

TEST(Ranks, OnOneNamedGpuAreNotForTheOthers) {
  LaunchRequest request;
  request.gpus = "cuda:1";
  EXPECT_EQ(ranks_of_host(request, "a", 16, 4), 1);
  EXPECT_EQ(ranks_by_gpus(request, 4), "1 GPU is asked for, so 1 rank, one for each GPU; -n N starts others");
  request.gpus = "auto", request.ranks_per_gpu = 3;
  EXPECT_EQ(ranks_by_gpus(request, 2), "2 GPUs here, so 6 ranks, 3 for each GPU; -n N starts others");
}

TEST(Inputs, AreWhatTheCommandAndItsDefinitionName) {
  const TemporaryFolder folder;
  std::ofstream(folder / "slow.safetensors") << "weights";
  std::ofstream(folder / "base.toml") << "name = \"base\"\n";
  std::ofstream(folder / "sweep.toml")
      << "include = \"base.toml\"\n[slow]\nweights = 'slow.safetensors'\nreadout = \"mean\"\n";
  const auto real = std::filesystem::canonical(folder.path());
  EXPECT_THAT(inputs_of({"sweep", (folder / "sweep.toml").string(), "--out", (folder / "out").string()}),
              ElementsAre(real / "base.toml", real / "slow.safetensors", real / "sweep.toml"));
  EXPECT_THAT(inputs_of({"sweep", "--set", "slow.weights=" + (folder / "slow.safetensors").string()}),
              ElementsAre(real / "slow.safetensors"));
}

// Flags.

WorldPlan plan_of(int ranks) {
  WorldPlan plan;
  plan.ranks = ranks;
  plan.command = {"/p", "sweep"};
  return plan;
}

std::string words(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& word : all) text += (text.empty() ? "" : " ") + word;
  return text;
}

TEST(TheCommandThatStartsRanks, IsThatOfTheMpiAtHand) {
  const Starter five = mpirun_at_hand("/v/bin/mpirun", "/v", "Open MPI v5.0.11", true),
                four = mpirun_at_hand("/usr/bin/mpirun", "", "Open MPI v4.1.4", false);
  WorldPlan plan = plan_of(3);
  EXPECT_EQ(words(start_command(four, plan)),
            "/usr/bin/mpirun --tag-output --oversubscribe -n 3 --bind-to none /p sweep");
  plan.hostfile = "/h";
  plan.shell = {"ssh", "-p", "2222"};
  plan.network = "10.0.0.0/24";
  plan.survive = true;
  plan.variables = {"V"};
  EXPECT_EQ(words(start_command(five, plan)),
            "/v/bin/mpirun --prefix /v --allow-run-as-root --output tag --prtemca plm_ssh_agent ssh -p 2222 --mca "
            "btl_tcp_if_include 10.0.0.0/24 --prtemca prte_if_include 10.0.0.0/24 "
            "--with-ft ulfm --oversubscribe -n 3 --bind-to none --hostfile /h -x V /p sweep");
  EXPECT_THAT(words(start_command(four, plan)),
              AllOf(HasSubstr("--mca plm_rsh_agent ssh -p 2222"), HasSubstr("--mca oob_tcp_if_include 10.0.0.0/24"),
                    Not(HasSubstr("ulfm"))));
  EXPECT_THAT(message_of<InputError>([] { mpirun_at_hand("/m", "", "MPICH 4.0", false); }),
              AllOf(HasSubstr("MPICH 4.0"), HasSubstr("mpiexec")));
}

TEST(TheCommandThatStartsRanks, KeepsSrunToTheNodesThatAreLeft) {
  const Starter srun{Starter::Kind::kSrun, "srun", "", false};
  WorldPlan plan = plan_of(2);
  EXPECT_EQ(words(start_command(srun, plan)), "srun --mpi=pmix --label --kill-on-bad-exit=1 -n 2 /p sweep");
  plan.nodes = {"a", "c"};
  EXPECT_THAT(words(start_command(srun, plan)), HasSubstr("-n 2 --nodes=2 --nodelist=a,c /p"));
}

// What ranks write.

TEST(RankLines, LeaveRankZeroAsItIsAndNameTheOthers) {
  RankLines lines(Tags::kMpirun);
  EXPECT_EQ(lines.feed("[1,0]<stderr>: hello\n[1,2]<stderr>: oh\n"), "hello\nrank 2: oh\n");
  EXPECT_EQ(lines.feed("[1,0]<stderr>: \rbar 1"), "\rbar 1");
  EXPECT_EQ(lines.feed("\rbar 2"), "\rbar 2");
  EXPECT_EQ(lines.feed("[1,1]<stdout>: text with [1,2] in it\n"), "\nrank 1: text with [1,2] in it\n");
  EXPECT_EQ(lines.feed("mpirun's own word\n"), "mpirun's own word\n");
}

TEST(RankLines, PutTogetherATagThatCameInTwoPieces) {
  RankLines lines(Tags::kMpirun);
  std::string shown;
  for (const char* piece : {"[1,1]<std", "err>", ":", " oh", "\n"}) shown += lines.feed(piece);
  EXPECT_EQ(shown, "rank 1: oh\n");
}

TEST(RankLines, TellOnceWhatAllRanksSay) {
  RankLines lines(Tags::kMpirun);
  EXPECT_EQ(lines.feed("[1,1]<stderr>: no such file\n[1,0]<stderr>: no such file\n[1,2]<stderr>: no such file\n"),
            "rank 1: no such file\n");
}

TEST(RankLines, KeepWhatIsUnfinishedForTheEnd) {
  RankLines lines(Tags::kMpirun);
  EXPECT_EQ(lines.feed("[1,1]<stderr>: killed in mid-sen"), "");
  EXPECT_EQ(lines.rest(), "rank 1: killed in mid-sen\n");
}

TEST(RankLines, KnowWhichRankTheStarterSaysWasLost) {
  RankLines mpirun(Tags::kMpirun), srun(Tags::kSrun);
  mpirun.feed("[1,0]<stderr>: process rank 5 with PID 3 is what I talk of\n");
  EXPECT_EQ(mpirun.loss(), std::nullopt) << "a rank's own words";
  mpirun.feed("mpirun noticed that process ra");
  mpirun.feed("nk 12 with PID 77 on node ann exited on signal 9 (Killed).\nprocess rank 3 with PID 78 followed\n");
  EXPECT_EQ(mpirun.loss(), (RankLoss{12, "ann", 9, 0}));
  srun.feed("srun: error: ann: task 2: Killed\n");
  EXPECT_EQ(srun.loss(), (RankLoss{2, "ann", 9, 0}));
}

TEST(RankLines, ReadTheLabelsOfSrun) {
  RankLines lines(Tags::kSrun);
  EXPECT_EQ(lines.feed(" 0: 3: is text\n12: oh\n"), "3: is text\nrank 12: oh\n");
}

// A rank that is lost, in the words of what started it.

const std::string kRule = std::string(74, '-') + "\n";
const std::string kKilled = kRule + "prterun noticed that process rank 3 with PID 4711 on node node2 exited on\nsignal 9 (Killed).\n" + kRule;

TEST(ALostRank, IsNamedWithItsHostAndSignalOrItsExitCode) {
  EXPECT_EQ(rank_loss_in(kKilled), (RankLoss{3, "node2", 9, 0}));
  EXPECT_EQ(rank_loss_in("mpirun noticed that process rank 0 with PID 0 on node a exited on signal 11 (Segmentation fault)."), (RankLoss{0, "a", 11, 0}));
  EXPECT_EQ(rank_loss_in("   Process name: [prterun-vm-30264@1,2]\n   Exit code:    5\n"), (RankLoss{2, "", 0, 5}));
  EXPECT_EQ(rank_loss_in("  Process name: [[1234,1],2]\n  Exit code:    127\n"), (RankLoss{2, "", 0, 127}));
  EXPECT_EQ(rank_loss_in("srun: error: node2: task 1: Killed\n"), (RankLoss{1, "node2", 9, 0}));
  EXPECT_EQ(rank_loss_in("srun: error: node2: tasks 1-3: Segmentation fault (core dumped)\n"), (RankLoss{1, "node2", 11, 0}));
  EXPECT_EQ(rank_loss_in("srun: error: node2: task 1: Exited with exit code 7\n"), (RankLoss{1, "node2", 0, 7}));
  EXPECT_EQ(rank_loss_in("srun: error: Node failure on node2\n"), std::nullopt);
  EXPECT_EQ(loss_text({3, "node2", 9, 0}), "rank 3 on node2 was killed by signal 9 (Killed)");
  EXPECT_EQ(loss_text({2, "", 0, 5}), "rank 2 ended with 5");
  EXPECT_THAT(loss_advice({3, "node2", 9, 0}), HasSubstr("memory"));
}

TEST(ALostRank, IsToldByLaunchAloneAndOtherExplanationsStay) {
  RankLines lines(Tags::kMpirun);
  EXPECT_EQ(lines.feed("[1,0]<stderr>: oh\n" + kKilled), "oh\n");
  EXPECT_EQ(lines.loss(), (RankLoss{3, "node2", 9, 0}));
  const std::string other = kRule + "There are not enough slots [in the system].\n" + kRule;
  EXPECT_EQ(lines.feed(other), other);
  EXPECT_EQ(lines.feed(kRule + "cut off\n"), "");
  EXPECT_EQ(lines.rest(), kRule + "cut off\n");
}

TEST(ALostRank, OfSrunIsShownAndKept) {
  RankLines lines(Tags::kSrun);
  EXPECT_EQ(lines.feed("1: oh\nsrun: error: node2: task 1: Killed\n"), "rank 1: oh\nsrun: error: node2: task 1: Killed\n");
  EXPECT_EQ(lines.loss(), (RankLoss{1, "node2", 9, 0}));
}

// Restarts.

constexpr LostWorld kGotNowhere{std::chrono::seconds(2), false, true};

TEST(RestartsOfAWorld, EndWhenItGotNowhereTwice) {
  Restarts restarts(3);
  restarts.count(kGotNowhere);
  EXPECT_FALSE(restarts.hopeless());
  EXPECT_TRUE(restarts.in_vain());
  restarts.count(kGotNowhere);
  EXPECT_TRUE(restarts.hopeless());
}

TEST(RestartsOfAWorld, AreAsManyAsAskedForWhereItWorkedLivedOrLostAHost) {
  for (const LostWorld& real : {LostWorld{std::chrono::seconds(2), true, true}, LostWorld{std::chrono::minutes(1), false, true}, LostWorld{std::chrono::seconds(2), false, false}}) {
    Restarts restarts(3);
    for (int i = 0; i < 3; ++i) {
      restarts.count(real);
      EXPECT_FALSE(restarts.hopeless());
      EXPECT_FALSE(restarts.none_left());
    }
    restarts.count(real);
    EXPECT_TRUE(restarts.none_left());
  }
  Restarts restarts(3);
  restarts.count(kGotNowhere);
  restarts.a_host_is_gone();
  restarts.count(kGotNowhere);
  EXPECT_FALSE(restarts.hopeless());
}

TEST(RestartsOfAWorld, AreGivenBackByOneThatWorkedForLong) {
  Restarts restarts(1);
  restarts.count({std::chrono::minutes(1), true, true});
  restarts.count({std::chrono::minutes(11), true, true});
  EXPECT_FALSE(restarts.none_left());
  EXPECT_EQ(restarts.number(), 1);
}

// Losses.

TEST(ASilence, IsHeededEarlyEnoughForALossToBeKnownWithin30Seconds) {
  if (std::getenv("PALIMPSEST_SILENCE")) GTEST_SKIP() << "PALIMPSEST_SILENCE says how long";
  EXPECT_LE(silence_limit() + 2 * beat_interval(1000), std::chrono::seconds(30));   // and the look for the lost, once a second
}

TEST(SignsOfLife, OfManyWorkersAreTwoThousandASecondAndSeveralFitIntoTheLimit) {
  EXPECT_EQ(beat_interval(2), std::chrono::seconds(1));
  EXPECT_EQ(beat_interval(4000), std::min<std::chrono::milliseconds>(std::chrono::seconds(2), silence_limit() / 6));
  EXPECT_LE(5 * beat_interval(1'000'000), silence_limit());
}

TEST(Losses, AHostThatAnswersAgainIsTakenBackTwice) {
  const std::vector<Host> all = {{"a", 1}, {"b", 1}};
  HostLosses losses;
  for (int i = 0; i < 2; ++i) {
    losses.count({"b"});
    EXPECT_THAT(losses.left_of(all), ElementsAre(Host{"a", 1}));
    losses.count({});
    EXPECT_THAT(losses.left_of(all), ElementsAre(Host{"a", 1}, Host{"b", 1}));
  }
  losses.count({"b"});
  losses.count({});
  EXPECT_THAT(losses.left_of(all), ElementsAre(Host{"a", 1}));
  EXPECT_THAT(losses.banned(), ElementsAre("b"));
}

TEST(Losses, TheWaitBeforeARestartDoublesUpToAMinute) {
  EXPECT_EQ(back_off(1).count(), 1);
  EXPECT_EQ(back_off(4).count(), 8);
  EXPECT_EQ(back_off(40).count(), 60);
}

// What a killed mpirun leaves under its process number would keep a later one of that number from starting.
TEST(AWorld, KeepsItsSessionInAPlaceThatNoOtherHasAndThatGoesWithIt) {
  const TemporaryFolder folder;
  const auto place_of = [&](const std::string& name) {
    const std::string file = folder / name;
    const auto end = run_world({"sh", "-c", "test -d \"$PRTE_MCA_prte_local_tmpdir_base\" && echo \"$PRTE_MCA_prte_local_tmpdir_base\" > " + file}, Tags::kMpirun, [] { return false; });
    EXPECT_EQ(end.exit_code, 0);
    return std::filesystem::path(read_file(file).substr(0, read_file(file).find('\n')));
  };
  const auto first = place_of("first"), second = place_of("second");
  EXPECT_NE(first, second);
  EXPECT_FALSE(exists(first) || exists(second));
}

}  // namespace
}  // namespace palimpsest
