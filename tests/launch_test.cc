// What `palimpsest launch` decides before it starts ranks, and what it shows of what they write.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "launch/host_check.h"
#include "launch/host_list.h"
#include "launch/host_losses.h"
#include "launch/host_probe.h"
#include "launch/launch_request.h"
#include "launch/link_trial.h"
#include "launch/mpirun_command.h"
#include "launch/pair_rounds.h"
#include "launch/peer_clock.h"
#include "launch/rank_lines.h"
#include "launch/world_process.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

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
  EXPECT_THAT(error_of([&] { read("node1 slots=8\nnode2 slots=many\n"); }),
              AllOf(HasSubstr(file.string() + ":2"), HasSubstr("slots=many")));
  EXPECT_THAT(error_of([&] { read("node1\nnode1\n"); }), HasSubstr("twice"));
  EXPECT_THAT(error_of([&] { read("# nobody\n"); }), HasSubstr("names no host"));
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
  EXPECT_THAT(error_of([&] {
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
  EXPECT_THAT(error_of([&] { refuse_impossible_folder(folder / "file" / "out"); }), HasSubstr("this folder cannot be made: " + (folder / "file").string() + " is no folder"));
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
  EXPECT_THAT(error_of([&] { ranks_of_host(request, "a", 16, 0); }), HasSubstr("--ranks-per-gpu 3: a shows no GPU"));
  request.gpus.clear();
  EXPECT_THAT(error_of([&] { ranks_of_host(request, "a", 16, 2); }), HasSubstr("this command computes on no GPU"));
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
  EXPECT_THAT(error_of([] { mpirun_at_hand("/m", "", "MPICH 4.0", false); }),
              AllOf(HasSubstr("MPICH 4.0"), HasSubstr("mpiexec")));
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

TEST(RankLines, ReadTheLabelsOfSrun) {
  RankLines lines(Tags::kSrun);
  EXPECT_EQ(lines.feed(" 0: 3: is text\n12: oh\n"), "3: is text\nrank 12: oh\n");
}

// Losses.

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

// The look at the hosts.

HostReport report(const std::string& name, const std::string& address = "10.0.0.1") {
  HostReport one;
  one.name = name;
  HostFacts& facts = one.facts.emplace();
  facts.name = name;
  facts.version = "1";
  facts.program = "p";
  facts.sees_folder = true;
  facts.inputs = {{"/f", "h"}};
  facts.addresses = {{"eth0", address, "10.0.0.0/24"}};
  return one;
}

std::vector<HostReport> two_hosts() {
  std::vector<HostReport> both = {report("a", "10.0.0.1"), report("b", "10.0.0.2")};
  both[0].links = {{"b", "10.0.0.2", "", 0.001}};
  both[1].links = {{"a", "10.0.0.1", "", 0.001}};
  return both;
}

// What is not good among the findings: "clocks: b is 300 s ahead".
std::vector<std::string> complaints(const HostCheck& check) {
  std::vector<std::string> said;
  for (const Finding& one : check.findings)
    if (one.grade != Grade::kGood) said.push_back(one.what + ": " + one.found);
  return said;
}

TEST(ACheckOfHosts, HasNothingToSayWhereAllIsWell) { EXPECT_THAT(complaints(check_hosts(two_hosts())), IsEmpty()); }

TEST(ACheckOfHosts, NamesAClockThatIsMinutesOff) {
  auto hosts = two_hosts();
  hosts[1].clock_ahead = -300;
  EXPECT_THAT(complaints(check_hosts(hosts)), ElementsAre("clocks: b is 300 s behind"));
  EXPECT_TRUE(stops(check_hosts(hosts).findings));
}

TEST(ACheckOfHosts, DoesNotTakeASlowAnswerForAWrongClock) {
  auto hosts = two_hosts();
  hosts[1].clock_ahead = 2.5;
  hosts[1].clock_doubt = 1;
  EXPECT_THAT(complaints(check_hosts(hosts)), IsEmpty());
}

TEST(ACheckOfHosts, NamesOtherVersionsFilesAndFolders) {
  auto hosts = two_hosts();
  hosts[1].facts->version = "2";
  hosts[1].facts->inputs["/f"] = "other";
  hosts[1].facts->sees_folder = false;
  EXPECT_THAT(complaints(check_hosts(hosts)),
              ElementsAre("program: b has another version than the first host",
                          "folder: this folder is not shared with b", "inputs: /f is not the first host's on b"));
}

TEST(ACheckOfHosts, NamesTheHostsOnWhichThereAreNoImagesInTheWordsOfTheRanks) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "empty");
  const auto asked = [&](const std::filesystem::path& path) {
    return facts_of_this_host({.inputs = {}, .images = {encode(ImagePlace{.source = "folder", .path = path, .masks = {}})}, .folder_token = {}}, "").images;
  };
  auto hosts = two_hosts();
  hosts[1].facts->images = asked("/nowhere");
  EXPECT_THAT(complaints(check_hosts(hosts)), ElementsAre("images: on b: /nowhere: there is no such folder. Check the path"));
  EXPECT_TRUE(stops(check_hosts(hosts).findings));
  EXPECT_THAT(findings_text(check_hosts(hosts).findings), HasSubstr("Copy the images there"));
  hosts[0].facts->images = hosts[1].facts->images;
  EXPECT_THAT(complaints(check_hosts(hosts)), ElementsAre(HasSubstr("on a, b: /nowhere")));
  EXPECT_THAT(findings_text(check_hosts(hosts).findings), Not(HasSubstr("Copy the images there"))) << "no host has them";
  EXPECT_THAT(asked(folder / "empty"), ElementsAre(HasSubstr("there is no image in this folder")));
  std::filesystem::create_symlink("a.jpg", folder / "empty" / "a.jpg");
  EXPECT_THAT(asked(folder / "empty"), ElementsAre(HasSubstr("a.jpg"))) << "a link to itself";
}

TEST(ACheckOfHosts, AsksNobodyAboutAPathThatIsNoUtf8) {
  EXPECT_FALSE(can_be_asked_about({.source = "folder", .path = "/photos\xff", .masks = {}}));
  const ImagePlace place{.source = "folder", .path = "/caf\u00e9", .masks = "/masks", .total = 3, .skip_unreadable = true};
  EXPECT_TRUE(can_be_asked_about(place));
  EXPECT_EQ(image_place_in(encode(place)), place);
}

TEST(ACheckOfHosts, NamesAHostThatCannotBeReached) {
  auto hosts = two_hosts();
  hosts[1] = {"b", "it cannot be reached: Connection refused", {}, 0, 0, {}};
  hosts[0].links.clear();
  EXPECT_THAT(complaints(check_hosts(hosts)), ElementsAre("hosts: b: it cannot be reached: Connection refused"));
}

TEST(ACheckOfHosts, KeepsMpiOffANetworkThatOnlySeemsToJoinThem) {
  auto hosts = two_hosts();
  for (auto& host : hosts) host.facts->addresses.push_back({"docker0", "172.17.0.1", "172.17.0.0/16"});
  hosts[0].links.push_back({"b", "172.17.0.1", "another host answers there", 0});
  hosts[1].links.push_back({"a", "172.17.0.1", "another host answers there", 0});
  const HostCheck check = check_hosts(hosts);
  EXPECT_EQ(check.network, "10.0.0.0/24");
  EXPECT_FALSE(stops(check.findings));
  EXPECT_THAT(complaints(check), ElementsAre(HasSubstr("172.17.0.0/16 (docker0) does not join them")));
}

TEST(ACheckOfHosts, NamesAFirewall) {
  auto hosts = two_hosts();
  hosts[0].links[0].outcome = "no answer";
  const HostCheck check = check_hosts(hosts);
  EXPECT_TRUE(stops(check.findings));
  EXPECT_THAT(complaints(check), ElementsAre("network: no way from a to b (10.0.0.2 no answer)"));
}

TEST(ALink, StandsWhereTheRightPeerAnswers) {
  const LinkListener listener;
  EXPECT_EQ(try_link({"a", listener.token(), "127.0.0.1", listener.port()}).outcome, "");
  EXPECT_EQ(try_link({"a", "0123456789abcdef", "127.0.0.1", listener.port()}).outcome, "another host answers there");
  EXPECT_THAT(try_link({"a", "", "127.0.0.1", 1}).outcome, HasSubstr("refused"));
}

// Hosts that meet in pairs.

TEST(PairsOfHosts, MeetOnceEachInAsManyRoundsAsAHostHasOthers) {
  for (const int count : {1, 2, 3, 4, 5, 8, 13}) {
    std::multiset<Pair> met;
    for (int round = 0; round < rounds_among(count); ++round)
      for (int me = 0; me < count; ++me)
        if (const auto partner = partner_in(round, me, count)) {
          EXPECT_EQ(partner_in(round, *partner, count), me);   // and nobody is wanted by two
          if (me < *partner) met.insert({me, *partner});
        }
    EXPECT_EQ(static_cast<int>(met.size()), count * (count - 1) / 2);
    EXPECT_EQ(std::set<Pair>(met.begin(), met.end()).size(), met.size());
  }
  EXPECT_EQ(rounds_among(4), 3);
  EXPECT_EQ(rounds_among(5000), 255);
}

TEST(FirstRanks, AreWhereHostsBeginAndComeThroughTheEnvironment) {
  const auto first = first_ranks({{"a", 4}, {"b", 2}, {"c", 1}}, 6);
  EXPECT_THAT(first, ElementsAre(FirstRank{0, "a"}, FirstRank{4, "b"}));
  EXPECT_EQ(first_ranks_in(encode(first)), first);
  EXPECT_THAT(first_ranks({{"a", 1}, {"b", 1}}, 3), IsEmpty());   // dealt out otherwise
  EXPECT_THAT(first_ranks_in(""), IsEmpty());
}

TEST(PartedHosts, AreNamedByTheHostThatIsInMostPairs) {
  const std::vector<FirstRank> hosts = {{0, "a"}, {1, "b"}, {2, "c"}, {3, "d"}};
  EXPECT_EQ(parted_text({}, hosts, 10), "");
  EXPECT_THAT(parted_text({{0, 2}, {1, 2}, {2, 3}}, hosts, 10), HasSubstr("within 10 s between c and a, b, d."));
  EXPECT_THAT(parted_text({{0, 1}, {2, 3}}, hosts, 10), HasSubstr("between a and b; c and d."));
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

TEST(ALineForARemoteShell, KeepsItsWords) { EXPECT_EQ(shell_line({"/a b/p", "it's"}), "'/a b/p' 'it'\\''s'"); }

TEST(Facts, AreReadAsTheyWereWritten) {
  HostFacts facts = *report("a").facts;
  facts.time = 12.5;
  facts.token = "t";
  facts.images = {"/photos: there is no such folder. Check the path."};
  EXPECT_EQ(encode(host_facts_in(encode(facts))), encode(facts));
  EXPECT_THROW(host_facts_in("Welcome to node1!"), InputError);
}

}  // namespace
}  // namespace palimpsest
