#include "sweeps/packs.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/durable_file.h"
#include "runtime/key_error.h"
#include "sweeps/common_runs.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Packs = std::vector<std::vector<std::int64_t>>;

/// What lies at a path, for the toy study below: a file system of three words.
std::map<std::string, std::string>& disk() {
  static std::map<std::string, std::string> files = {{"/photos", "cats"}, {"/moved", "cats"}, {"/others", "dogs"}};
  return files;
}
int opened = 0, probed = 0;

/// Reads images.path and images.count; fast.rank changes the shapes, fast.rate does not.
const Study& toy() {
  static const Study study = [] {
    Study s;
    s.name = "toy";
    s.unit = "image_set";
    s.keys = {{.name = "images.path", .type = KeyType::kPath, .default_value = std::string("/photos"), .meaning = "Images."},
              {.name = "images.count", .type = KeyType::kInteger, .default_value = std::int64_t{4}, .meaning = "Images of a set."},
              {.name = "fast.rank", .type = KeyType::kInteger, .default_value = std::int64_t{8}, .meaning = "Rank."},
              {.name = "fast.rate", .type = KeyType::kNumber, .default_value = 1e-4, .meaning = "Rate."}};
    s.metrics = {{"m", {"epoch"}, "", ""}};
    s.inspect = [](const Settings& settings, std::int64_t set, std::int64_t) {
      ++opened;
      if (settings.number("fast.rate") > 9) throw KeyError("fast.rate", fmt::format("fast.rate = {} is too fast", settings.number("fast.rate")));
      return Inputs{{{"images", fmt::format("{} {} {}", disk().at(settings.string("images.path")), settings.integer("images.count"), set)}}};
    };
    s.signature = [](const Settings& settings) { return fmt::format("rank {}", settings.integer("fast.rank")); };
    s.probe_memory = [](const RunSpec& run) { ++probed; return static_cast<std::uint64_t>(run.settings.integer("fast.rank")) * 100; };
    return s;
  }();
  return study;
}

Definition toy_definition(const std::string& rest) {
  add_study(toy());
  return read_definition_text("study = \"toy\"\nname = \"t\"\n" + rest, "/folder/t.toml");
}

RunId first_id(const std::string& rest) { return Plan(toy_definition(rest)).run_at(0).id; }

std::vector<std::int64_t> first(std::int64_t count) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

std::vector<std::size_t> sizes(const Packs& packs) {
  std::vector<std::size_t> out;
  for (const auto& pack : packs) out.push_back(pack.size());
  return out;
}

TEST(Plan, NumbersRunsByGridThenImageSetThenSeed) {
  const Plan plan(toy_definition("[sweep]\nimage_sets = 2\nseeds = 2\n[sweep.grid]\n\"fast.rate\" = [0.1, 0.2]\n\"fast.rank\" = [4, 8, 16]\n"));
  ASSERT_EQ(plan.size(), 24);
  std::string all;
  for (std::int64_t i : {0, 1, 2, 4, 12, 23}) {
    const RunSpec run = plan.run_at(i);
    all += fmt::format("{} {} {} {}\n", run.settings.number("fast.rate"), run.settings.integer("fast.rank"), run.image_set, run.seed);
  }
  EXPECT_EQ(all, "0.1 4 0 0\n0.1 4 0 1\n0.1 4 1 0\n0.1 8 0 0\n0.2 4 0 0\n0.2 16 1 1\n");
  EXPECT_EQ(plan.condition_of(23), (std::map<std::string, Value>{{"fast.rate", 0.2}, {"fast.rank", std::int64_t{16}}}));
  EXPECT_EQ(plan.cell_of(3), 0);
  EXPECT_EQ(plan.cell_of(4), 1);
}

TEST(Plan, GivesEveryRunItsOwnId) {
  const Plan plan(toy_definition("[sweep]\nimage_sets = 5\nseeds = 4\n[sweep.grid]\n\"fast.rate\" = [0.1, 0.2]\n\"images.count\" = [4, 8]\n"));
  std::set<RunId> ids;
  for (std::int64_t i = 0; i < plan.size(); ++i) ids.insert(plan.run_at(i).id);
  EXPECT_EQ(static_cast<std::int64_t>(ids.size()), plan.size());
  EXPECT_EQ(ids.begin()->size(), 32u);
}

TEST(Plan, ARunKeepsItsIdWhenTheSweepAroundItChanges) {
  const RunId id = first_id("");
  EXPECT_EQ(first_id("[sweep]\nimage_sets = 7\nseeds = 3\n"), id);
  EXPECT_EQ(first_id("[sweep.grid]\n\"fast.rank\" = [8, 16]\n"), id);
  EXPECT_EQ(first_id("[packs]\nsize = 3\n"), id);
  EXPECT_EQ(first_id("[[claim]]\nname = \"c\"\nmetric = \"m\"\ndirection = \"less\"\n"), id);
}

TEST(Plan, ARunKeepsItsIdWhenItsFolderMoves) {
  EXPECT_EQ(first_id("[images]\npath = \"/moved\"\n"), first_id("[images]\npath = \"/photos\"\n"));
}

TEST(Plan, ARunIsAnotherWhenItsInputsOrKeysChange) {
  const RunId id = first_id("");
  EXPECT_NE(first_id("[images]\npath = \"/others\"\n"), id);
  EXPECT_NE(first_id("[images]\ncount = 5\n"), id);
  EXPECT_NE(first_id("[fast]\nrate = 1.1e-4\n"), id);
  disk()["/photos"] = "cats, one pixel changed";
  EXPECT_NE(first_id(""), id);
  disk()["/photos"] = "cats";
  EXPECT_EQ(first_id(""), id);
}

TEST(Plan, ARunIsAnotherWhenTheMethodChanges) {
  const Settings settings = toy_definition("").base;
  Study newer = toy();
  newer.method_version = 2;
  EXPECT_NE(run_id(newer, settings, 0, 0, {}), run_id(toy(), settings, 0, 0, {}));
  EXPECT_NE(run_id(toy(), settings, 1, 0, {}), run_id(toy(), settings, 0, 0, {}));
  EXPECT_NE(run_id(toy(), settings, 0, 1, {}), run_id(toy(), settings, 0, 0, {}));
  EXPECT_NE(run_id(toy(), settings, 0, 0, {{{"a", "b"}}}), run_id(toy(), settings, 0, 0, {}));
}

// A ledger of today must be found by a program of tomorrow: this id may change only with a new method version.
TEST(Plan, AnIdIsTheSameInEveryBuild) {
  EXPECT_EQ(first_id(""), content_hash("study \"toy\"\nmethod 1\nkey fast.rank = 8\nkey fast.rate = 1e-04\nkey images.count = 4\nseed 0\nimage_set 0\n"
                                       "input images = cats 4 0\n"));
  EXPECT_EQ(first_id(""), "24cb65be171762183a5cad27e4236231");
}

TEST(Plan, OpensInputsOncePerDistinctCombination) {
  const Definition definition = toy_definition("[sweep]\nimage_sets = 3\nseeds = 10\n[sweep.grid]\n\"fast.rank\" = [1, 2, 4]\n\"images.count\" = [4, 8]\n\"fast.rate\" = [1, 2]\n");
  opened = 0;
  const Plan plan(definition);
  for (std::int64_t i = 0; i < plan.size(); ++i) plan.run_at(i);
  EXPECT_EQ(opened, 2 * 3 + 3 + 2) << "and once for each value of the axes that open nothing: it may be one that cannot be run";
}

/// "rank rate" of each run, in order.
std::vector<std::string> conditions(const std::string& rest) {
  const Plan plan(toy_definition(rest));
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < plan.size(); ++i) {
    const Settings settings = plan.run_at(i).settings;
    out.push_back(fmt::format("{} {}", settings.integer("fast.rank"), settings.number("fast.rate")));
  }
  return out;
}

TEST(Plan, MovesZippedKeysTogether) {
  EXPECT_THAT(conditions("[sweep.zip]\n\"fast.rank\" = [1, 2]\n\"fast.rate\" = [0.1, 0.2]\n"), ElementsAre("1 0.1", "2 0.2"));
}

TEST(Plan, ChangesOneThingAtATimeInAnAblation) {
  const std::string changes = "[[sweep.ablation]]\n\"fast.rank\" = [1, 2]\n[[sweep.ablation]]\n\"fast.rate\" = 0.5\n";
  const std::string base = "[fast]\nrank = 4\nrate = 0.1\n";
  EXPECT_THAT(conditions(base + changes), ElementsAre("4 0.1", "1 0.1", "2 0.1", "4 0.5"));
  EXPECT_THAT(conditions(base + "[sweep]\nablation_pairs = true\n" + changes), ElementsAre("4 0.1", "1 0.1", "2 0.1", "4 0.5", "1 0.5", "2 0.5"));
}

TEST(Plan, RunsNothingTwiceWhereAChangeIsNone) {
  EXPECT_THAT(conditions("[fast]\nrank = 4\nrate = 0.1\n[[sweep.ablation]]\n\"fast.rank\" = [4, 8]\n"), ElementsAre("4 0.1", "8 0.1"));
}

TEST(Plan, LeavesOutWhatIsExcludedAndCountsIt) {
  const std::string grid = "[sweep.grid]\n\"fast.rank\" = [1, 2]\n\"fast.rate\" = [0.1, 0.2]\n";
  const std::string rule = "[[sweep.exclude]]\n\"fast.rank\" = 2\n\"fast.rate\" = [0.2, 0.3]\n";
  EXPECT_THAT(conditions(grid + rule), ElementsAre("1 0.1", "1 0.2", "2 0.1"));
  EXPECT_EQ(Plan(toy_definition("[sweep]\nseeds = 5\n" + grid + rule)).dropped(), 5);
  EXPECT_THROW(Plan(toy_definition(grid + "[[sweep.exclude]]\n\"fast.rank\" = [1, 2]\n")), InputError);
}

TEST(Plan, WarnsOfAnExclusionThatLeavesOutNoRun) {
  const std::string grid = "[sweep.grid]\n\"fast.rank\" = [1, 2]\n\"fast.rate\" = { values = [0.1, 0.2], when = { \"fast.rank\" = 2 } }\n";
  const auto warned = [&](const std::string& rule) { return design_warnings(toy_definition(grid + "[[sweep.exclude]]\n" + rule)); };
  EXPECT_THAT(warned("\"fast.rank\" = 1\n"), ElementsAre());
  EXPECT_THAT(warned("\"fast.rate\" = [0.2, 0.3]\n[[sweep.exclude]]\n\"fast.rank\" = 2\n\"fast.rate\" = 0.2\n"), ElementsAre());
  EXPECT_THAT(warned("\"fast.rank\" = [3, 4]\n\"fast.rate\" = 0.2\n"),
              ElementsAre("[[sweep.exclude]] fast.rank = 3 or 4 and fast.rate = 0.2 leaves out no run, for none has that. Mend its values, or take it out."));
  EXPECT_THAT(warned("\"fast.rank\" = 1\n\"fast.rate\" = 0.2\n"), testing::SizeIs(1)) << "there the axis does not exist";
}

TEST(Plan, SaysWhereAValueStandsThatTheStudyRefuses) {
  const auto said = [](const std::string& rest) -> std::string {
    try {
      Plan plan(toy_definition(rest));
    } catch (const DefinitionError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(said("[fast]\nrate = 11\n"), "/folder/t.toml:4:8: fast.rate = 11 is too fast");
  EXPECT_EQ(said("[sweep.grid]\n\"fast.rate\" = [1, 2, 11]\n"), "/folder/t.toml:4:22: fast.rate = 11 is too fast");
}

TEST(Plan, HasAnAxisOnlyWhereItsConditionHolds) {
  EXPECT_THAT(conditions("[fast]\nrate = 9\n[sweep.grid]\n\"fast.rank\" = [1, 2]\n\"fast.rate\" = { values = [0.1, 0.2], when = { \"fast.rank\" = 2 } }\n"),
              ElementsAre("1 9", "2 0.1", "2 0.2"));
}

TEST(Plan, DrawsRandomPointsThatFillTheirRangesAndStayTheSame) {
  for (const std::string method : {"sobol", "independent"}) {
    const std::string random = "[sweep.random]\ncount = 64\nseed = 3\nmethod = \"" + method +
                               "\"\n\"fast.rank\" = { choice = [1, 2, 4, 8] }\n\"fast.rate\" = { log_uniform = [1e-5, 1e-1] }\n";
    const Plan plan(toy_definition(random));
    EXPECT_EQ(plan.size(), 64);
    std::map<std::int64_t, int> ranks;
    int small = 0;
    for (std::int64_t i = 0; i < 64; ++i) {
      const Settings settings = plan.run_at(i).settings;
      const double rate = settings.number("fast.rate");
      EXPECT_GE(rate, 1e-5);
      EXPECT_LT(rate, 1e-1);
      small += rate < 1e-3;
      ++ranks[settings.integer("fast.rank")];
    }
    EXPECT_EQ(ranks.size(), 4u);
    EXPECT_NEAR(small, 32, method == "sobol" ? 1 : 16) << "half of a logarithmic range lies below its geometric middle";
    EXPECT_EQ(conditions(random), conditions(random));
    std::string other = random;
    EXPECT_NE(conditions(random), conditions(other.replace(other.find("seed = 3"), 8, "seed = 4")));
  }
}

TEST(Plan, ReadsBackFromItsResolvedDefinition) {
  const Definition definition = toy_definition(
      "[fast]\nrank = 4\n[sweep]\nseeds = 2\n[[sweep.zip]]\n\"images.count\" = [4, 8]\n[[sweep.ablation]]\n\"fast.rank\" = [1, 2]\n"
      "[[sweep.exclude]]\n\"fast.rank\" = 2\n\"images.count\" = 8\n[sweep.grid]\n\"fast.rate\" = { values = [0.1, 0.2], when = { \"fast.rank\" = 4 } }\n");
  const Plan plan(definition), again(read_definition_text(resolved_toml(definition), "/folder/t.toml"));
  ASSERT_EQ(plan.size(), again.size());
  for (std::int64_t i = 0; i < plan.size(); ++i) EXPECT_EQ(plan.run_at(i).id, again.run_at(i).id);
}

TEST(Plan, RefusesTwoPathsOfEqualContentAsAnAxis) {
  const Definition definition = toy_definition("[sweep]\nimage_sets = 2\n[sweep.grid]\n\"images.path\" = [\"/others\", \"/photos\", \"/moved\"]\n");
  try {
    Plan plan(definition);
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "/folder/t.toml: images.path = \"/photos\" and \"/moved\" hold the same content, so their runs would be the same runs. "
                               "Leave one of them out of [sweep.grid].");
  }
}

TEST(Packs, HoldRunsOfOneSignatureInOrder) {
  const Plan plan(toy_definition("[sweep]\nseeds = 3\n[sweep.grid]\n\"fast.rate\" = [0.1, 0.2]\n\"fast.rank\" = [4, 8]\n"));
  EXPECT_EQ(cut_packs({plan, first(12)}, {{"rank 4", 16}, {"rank 8", 2}}, 1), (Packs{{0, 1, 2, 6, 7, 8}, {3, 4}, {5, 9}, {10, 11}}));
}

TEST(Packs, AreNoLargerThanAllowedAndDifferByOneRunAtMost) {
  const Plan plan(toy_definition("[sweep]\nseeds = 17\n"));
  EXPECT_THAT(sizes(cut_packs({plan, first(17)}, {{"rank 8", 16}}, 1)), ElementsAre(8, 9));
  EXPECT_THAT(sizes(cut_packs({plan, first(16)}, {{"rank 8", 16}}, 1)), ElementsAre(16));
  EXPECT_THAT(sizes(cut_packs({plan, first(3)}, {{"rank 8", 1}}, 1)), ElementsAre(1, 1, 1));
}

TEST(Packs, GiveEveryWorkerOneWhereRunsAreFew) {
  const Plan plan(toy_definition("[sweep]\nseeds = 9\n[sweep.grid]\n\"fast.rank\" = [4, 8]\n"));
  const std::map<std::string, std::int64_t> most = {{"rank 4", 16}, {"rank 8", 16}};
  EXPECT_THAT(sizes(cut_packs({plan, first(9)}, most, 4)), ElementsAre(2, 2, 2, 3));
  EXPECT_THAT(sizes(cut_packs({plan, first(3)}, most, 8)), ElementsAre(1, 1, 1));
  EXPECT_THAT(sizes(cut_packs({plan, {0, 1, 9}}, most, 3)), ElementsAre(1, 1, 1));
  EXPECT_TRUE(cut_packs({plan, {}}, most, 3).empty());
}

TEST(Packs, FillTheLastRoundOfAllWorkers) {
  const Plan plan(toy_definition("[sweep]\nseeds = 117\n"));
  EXPECT_EQ(sizes(cut_packs({plan, first(117)}, {{"rank 8", 16}}, 3)), std::vector<std::size_t>(9, 13));
}

TEST(Packs, AreSizedByTheMemoryProbeUnlessTheDefinitionSaysSo) {
  const Plan automatic(toy_definition("[sweep.grid]\n\"fast.rank\" = [1, 4, 100]\n"));
  EXPECT_EQ(pack_sizes({automatic, first(3)}, 3000), (std::map<std::string, std::int64_t>{{"rank 1", 16}, {"rank 4", 7}, {"rank 100", 1}}));
  EXPECT_EQ(pack_sizes({automatic, {1}}, 3000, 4), (std::map<std::string, std::int64_t>{{"rank 4", 4}}));
  const Plan given(toy_definition("[packs]\nsize = 5\n"));
  probed = 0;
  EXPECT_EQ(pack_sizes({given, {0}}, 3000), (std::map<std::string, std::int64_t>{{"rank 8", 5}}));
  EXPECT_EQ(probed, 0);
}

TEST(RunSet, HoldsRangesAndWhatIsTakenOutOfThem) {
  const RunSet all = RunSet::below(10);
  EXPECT_EQ(all.size(), 10);
  const RunSet left = all.without({0, 4, 5, 9, 12});
  EXPECT_THAT(left.numbers(), ElementsAre(1, 2, 3, 6, 7, 8));
  EXPECT_EQ(left, RunSet({1, 2, 3, 6, 7, 8}));
  EXPECT_TRUE(left.contains(6));
  EXPECT_FALSE(left.contains(5));
  EXPECT_EQ(left.nth(3), 6);
  EXPECT_TRUE(all.without(all.numbers()).empty());
  EXPECT_TRUE(RunSet::below(0).empty());
}

TEST(RunSet, HoldsASliceAsOneRange) {
  const RunSet slice = RunSet::below(20, 2, 5);
  EXPECT_THAT(slice.numbers(), ElementsAre(2, 7, 12, 17));
  EXPECT_THAT(slice.without({3, 7}).numbers(), ElementsAre(2, 12, 17));
  EXPECT_FALSE(slice.contains(8));
  EXPECT_TRUE(RunSet::below(2, 2, 5).empty());
}

TEST(RunSet, ReadsBackFromItsText) {
  for (const RunSet& set : {RunSet(), RunSet::below(10), RunSet::below(100, 3, 16).without({19, 51}), RunSet({4, 9})}) EXPECT_EQ(RunSet::of_text(set.text()), set) << set.text();
  for (const char* text : {"", "0", "0:0:", "0:1:5", "0:1:5-4", "0:1:0-4,3-9", "x:1:0-1", "-1:1:0-1", "0:1:0-99999999999999999999"})
    EXPECT_THROW(RunSet::of_text(text), std::invalid_argument) << text;
}

TEST(Plan, IsTheSameFromTheInputsThatWereRecordedWithoutOpeningAny) {
  const Definition definition = toy_definition("[sweep]\nimage_sets = 3\nseeds = 2\n[sweep.grid]\n\"fast.rank\" = [1, 2, 4]\n\"images.count\" = [4, 8]\n");
  const Plan plan(definition);
  opened = 0;
  const Plan again(definition, RecordedInputs::of_text(plan.inputs().text()));
  EXPECT_EQ(opened, 0);
  EXPECT_EQ(again.fingerprint(), plan.fingerprint());
  for (std::int64_t i = 0; i < plan.size(); ++i) EXPECT_EQ(again.run_at(i).id, plan.run_at(i).id);
  EXPECT_THROW(Plan(toy_definition("[sweep]\nimage_sets = 4\n"), RecordedInputs::of_text(plan.inputs().text())), InputError);
}

TEST(Plan, IsAnotherWhenWhatLiesAtAPathIs) {
  const auto fingerprint = [] { return Plan(toy_definition("")).fingerprint(); };
  const std::string before = fingerprint();
  disk()["/photos"] = "cats, one pixel changed";
  EXPECT_NE(fingerprint(), before);
  disk()["/photos"] = "cats";
  EXPECT_EQ(fingerprint(), before);
}

TEST(Plan, FindsTheNumberOfARunThatAnotherPlanMade) {
  const std::string grid = "[sweep]\nimage_sets = 2\nseeds = 2\n[sweep.grid]\n";
  const Plan before(toy_definition(grid + "\"fast.rank\" = [1, 2]\n\"images.path\" = [\"/photos\", \"/others\"]\n"));
  const Plan after(toy_definition(grid + "\"images.path\" = [\"/others\", \"/moved\"]\n\"fast.rank\" = [4, 2, 1]\n"));   // the photos were moved
  RunFinder finder(after);
  for (std::int64_t number = 0; number < before.size(); ++number) {
    const RunSpec run = before.run_at(number);
    const auto found = finder.number_of(run.id, before.cell_of(number), [&] { return run.settings; }, run.image_set, run.seed);
    ASSERT_TRUE(found) << number;
    EXPECT_EQ(after.run_at(*found).id, run.id);
  }
  const RunSpec gone = Plan(toy_definition(grid + "\"fast.rank\" = [8]\n")).run_at(0);
  EXPECT_FALSE(finder.number_of(gone.id, -1, [&] { return gone.settings; }, gone.image_set, gone.seed));
}

TEST(Packs, ProbeMemoryOncePerSignature) {
  const Plan plan(toy_definition("[sweep]\nseeds = 5\n[sweep.grid]\n\"fast.rate\" = [1, 2, 3]\n\"fast.rank\" = [1, 4]\n"));
  probed = 0;
  EXPECT_EQ(memory_of_runs({plan, first(plan.size())}), (std::map<std::string, std::uint64_t>{{"rank 1", 100}, {"rank 4", 400}}));
  EXPECT_EQ(probed, 2);
}

std::string claims(int count, const std::string& field = "") {
  std::string out;
  for (int i = 0; i < count; ++i) out += fmt::format("[[claim]]\nname = \"c{}\"\nmetric = \"m\"\ndirection = \"less\"\n{}\n", i, field);
  return out;
}

TEST(Design, IsWarnedAboutWhereTooFewUnitsCanDecideAClaim) {
  EXPECT_THAT(design_warnings(toy_definition("[sweep]\nimage_sets = 5\n" + claims(1))),
              ElementsAre("claim \"c0\" cannot be decided with 5 image sets; at least 6 are needed: the sign-flip test gives no p below 0.0625, and alpha = 0.05 asks for 0.05."));
  EXPECT_THAT(design_warnings(toy_definition("[sweep]\nimage_sets = 6\n" + claims(1))), ElementsAre());
  EXPECT_EQ(design_warnings(toy_definition("[sweep]\nimage_sets = 7\n" + claims(4))).size(), 4u);
  EXPECT_EQ(design_warnings(toy_definition("[sweep]\nimage_sets = 8\n" + claims(4))).size(), 0u);
  EXPECT_THAT(design_warnings(toy_definition("[sweep]\nimage_sets = 6\n" + claims(1, "alpha = 0.01"))), ElementsAre(HasSubstr("at least 8 are needed")));
}

TEST(PackNotes, OfOneMachineAreNotTakenForAnother) {
  const TemporaryFolder folder;
  const PackNotes on_cpu = {{"rank 8", {.most = 4, .speeds = {{1, 120.5}, {2, 210}}}}}, recorded = {{"rank 8", {.most = 512, .speeds = {}}}};
  write_pack_notes(folder.path(), "cpu, AVX2", on_cpu);
  EXPECT_TRUE(read_pack_notes(folder.path(), "cuda, H200").empty());
  write_pack_notes(folder.path(), "cuda, H200, steps recorded", recorded);
  EXPECT_EQ(read_pack_notes(folder.path(), "cpu, AVX2"), on_cpu);
  EXPECT_EQ(read_pack_notes(folder.path(), "cuda, H200, steps recorded"), recorded);
  EXPECT_TRUE(read_pack_notes(folder.path(), "cuda, H200").empty());
}

TEST(PackNotes, ThatAreDamagedOrOfAnEarlierFormatAreNone) {
  const TemporaryFolder folder;
  for (const char* text : {"", "{", "[]", R"({"format": 1, "signatures": {"rank 8": {"most": 4, "speeds": []}}})", R"({"format": 2, "with": {"cpu": {"rank 8": {"speeds": [[1]]}}}})",
                           R"({"format": 2, "with": {"cpu": {"rank 8": 7}}})"}) {
    write_durably(folder / "packs.json", text);
    EXPECT_TRUE(read_pack_notes(folder.path(), "cpu").empty()) << text;
  }
}

std::set<RunId> ids_of(const Plan& plan) {
  std::set<RunId> ids;
  for (std::int64_t i = 0; i < plan.size(); ++i) ids.insert(plan.run_at(i).id);
  return ids;
}

TEST(Plan, CountsTheRunsItSharesWithAnotherAsTheirIdsTell) {
  const std::vector<std::string> definitions = {
      "",
      "[sweep]\nimage_sets = 3\nseeds = 4\n",
      "[fast]\nrate = 0.1\n[sweep]\nimage_sets = 2\nseeds = 3\n[sweep.grid]\n\"fast.rank\" = [2, 4, 8]\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[sweep.grid]\n\"fast.rank\" = [8, 4, 16]\n\"fast.rate\" = [0.1, 0.2]\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[sweep.grid]\n\"fast.rate\" = [0.3, 0.2, 0.1]\n\"fast.rank\" = [2, 8, 4]\n",
      "[sweep]\nimage_sets = 2\nseeds = 2\n[sweep.grid]\n\"fast.rank\" = [1, 2, 4]\n\"fast.rate\" = { values = [0.2, 0.1], when = { \"fast.rank\" = 4 } }\n",
      "[fast]\nrate = 0.1\n[sweep]\nimage_sets = 2\nseeds = 2\n[sweep.grid]\n\"fast.rank\" = [4, 8]\n\"fast.rate\" = { values = [0.1, 0.2, 0.4], when = { \"fast.rank\" = 4 } }\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[[sweep.zip]]\n\"fast.rank\" = [4, 4, 8]\n\"fast.rate\" = [0.1, 0.2, 0.1]\n",
      "[sweep]\nimage_sets = 2\n[[sweep.exclude]]\n\"fast.rank\" = 4\n\"fast.rate\" = 0.1\n[sweep.grid]\n\"fast.rank\" = [2, 4, 8]\n\"fast.rate\" = [0.1, 0.2]\n",
      "[sweep]\nimage_sets = 3\nseeds = 2\n[sweep.grid]\n\"images.path\" = [\"/photos\", \"/others\"]\n\"images.count\" = [4, 8]\n\"fast.rate\" = [0.1, 1e-4]\n",
      "[images]\npath = \"/moved\"\n[sweep]\nimage_sets = 2\n[sweep.grid]\n\"fast.rate\" = [0.1, 1e-4]\n\"fast.rank\" = [8, 4]\n",
      "[sweep]\nimage_sets = 4\n[sweep.grid]\n\"images.path\" = [\"/others\", \"/moved\"]\n\"fast.rank\" = [8, 4]\n",
      "[sweep]\nseeds = 5\n[[sweep.zip]]\n\"images.path\" = [\"/others\", \"/moved\"]\n\"fast.rate\" = [1e-4, 0.1]\n[sweep.grid]\n\"fast.rank\" = [8, 4]\n"};
  std::int64_t some = 0, none = 0;
  for (const std::string& was : definitions)
    for (const std::string& is : definitions) {
      const Plan before(toy_definition(was)), after(toy_definition(is));
      const std::int64_t size = before.size();
      const std::set<RunId> ids = ids_of(after);
      const auto is_there = [&](std::int64_t number) { return ids.contains(before.run_at(number).id); };
      std::vector<std::int64_t> gaps;
      for (std::int64_t i = 0; i < size; ++i)
        if (i % 7 != 3 && i % 5 != 0) gaps.push_back(i);
      for (const RunSet& left : {RunSet::below(size), RunSet::below(size, size > 1, 2), RunSet(gaps)}) {
        const std::int64_t common = std::ranges::count_if(left.numbers(), is_there);
        EXPECT_EQ(CommonRuns(before, after).count(left), common) << was << "then\n" << is << left.text();
        ++(common > 0 ? some : none);
      }
      CommonRuns runs(before, after);
      for (std::int64_t number = 0; number < size; ++number) {
        const auto found = runs.number_of(number);
        EXPECT_EQ(found.has_value(), is_there(number)) << was << "then\n" << is << number;
        EXPECT_TRUE(!found || after.run_at(*found).id == before.run_at(number).id);
      }
    }
  EXPECT_GT(some, 200);
  EXPECT_GT(none, 50);
}

TEST(Plan, SharesNoRunWithOneOfAnotherStudyWhoseKeysItDoesNotHave) {
  static const Study other = [] {
    Study study = toy();
    study.name = "other toy";
    study.keys = {{.name = "slow.depth", .type = KeyType::kInteger, .default_value = std::int64_t{8}, .meaning = "Depth."}};
    study.inspect = [](const Settings&, std::int64_t, std::int64_t) { return Inputs{}; };
    return study;
  }();
  add_study(other);
  const Plan plan(toy_definition("[sweep.grid]\n\"fast.rank\" = [4, 8]\n"));
  const Plan another(read_definition_text("study = \"other toy\"\nname = \"t\"\n", "/folder/t.toml"));
  EXPECT_EQ(CommonRuns(plan, another).count(RunSet::below(plan.size())), 0);
  EXPECT_EQ(CommonRuns(another, plan).count(RunSet::below(another.size())), 0);
  EXPECT_EQ(CommonRuns(plan, another).number_of(0), std::nullopt);
}

}  // namespace
}  // namespace palimpsest
