#include "sweeps/plan.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "runtime/durable_file.h"
#include "sweeps/run_set.h"
#include "tests/message_of.h"
#include "tests/toy_study.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RunId first_id(const std::string& rest) { return Plan(toy_definition(rest)).run_at(0).id; }

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
  const auto said = [](const std::string& rest) { return message_of<DefinitionError>([&] { Plan plan(toy_definition(rest)); }); };
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
  EXPECT_EQ(message_of<InputError>([&] { Plan plan(definition); }),
            "/folder/t.toml: images.path = \"/photos\" and \"/moved\" hold the same content, so their runs would be the same runs. "
            "Leave one of them out of [sweep.grid].");
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

}  // namespace
}  // namespace palimpsest
