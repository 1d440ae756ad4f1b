// What hosts tell of themselves and of the ways between them before ranks start there.

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "launch/host_check.h"
#include "launch/host_probe.h"
#include "launch/link_trial.h"
#include "launch/pair_rounds.h"
#include "launch/slurm_nodes.h"
#include "runtime/error.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

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
  EXPECT_TRUE(stops(check_hosts(hosts).findings));
  EXPECT_FALSE(stops(check_hosts(hosts, /*allocation=*/true).findings)) << "Slurm gave it";
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

TEST(ACheckOfHosts, NamesAHostThatWouldGetMoreRanksThanItHasCores) {
  const std::vector<Host> hosts = {{"a", 64}, {"b", 2}};
  const Finding crowded = check_cores(hosts, {2, 2}, 66);
  EXPECT_EQ(crowded.grade, Grade::kStops);
  EXPECT_EQ(crowded.found, "a has 2 cores for 64 ranks");
  EXPECT_EQ(check_cores(hosts, {2, 2}, 2).grade, Grade::kGood) << "two ranks fill the first host's cores";
  EXPECT_EQ(check_cores(hosts, {0, 2}, 66).grade, Grade::kGood) << "nobody knows the first host's cores";
}

TEST(NodesOfSlurm, ThatAreDownDrainedOrSilentAreOutOfService) {
  EXPECT_THAT(out_of_service_in("n1 idle\nn2 down*\nn2 down*\nn3 drng\nn4 mix\nn5 alloc*\nn6 drain\nn7 comp\n"), ElementsAre("n2", "n3", "n5", "n6"));
  EXPECT_THAT(out_of_service_in(""), IsEmpty());
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

TEST(ALineForARemoteShell, KeepsItsWords) { EXPECT_EQ(shell_line({"/a b/p", "it's"}), "'/a b/p' 'it'\\''s'"); }

TEST(Facts, AreReadAsTheyWereWritten) {
  HostFacts facts = *report("a").facts;
  facts.time = 12.5;
  facts.token = "t";
  facts.images = {"/photos: there is no such folder. Check the path."};
  EXPECT_EQ(encode(host_facts_in(encode(facts))), encode(facts));
  EXPECT_THROW(host_facts_in("Welcome to node1!"), InputError);
}

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

}  // namespace
}  // namespace palimpsest
