#include "sweeps/outline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sweeps/claim_check.h"
#include "sweeps/ledger.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t kMemory = 1u << 30;

Definition definition_of(const std::string& rest) { return read_definition_text("study = \"planted\"\nname = \"try\"\n" + rest, "/folder/try.toml"); }

const std::string kSmall = R"([planted]
seconds = 6
steps = 10
[sweep]
image_sets = 4
seeds = 2
[sweep.grid]
"planted.condition" = ["a", "b"]
[[claim]]
name = "b is more"
metric = "planted.score"
treatment = { "planted.condition" = "b" }
baseline = { "planted.condition" = "a" }
direction = "greater"
)";

std::string id_of(const Plan& plan, std::int64_t number) { return plan.run_at(number).id.substr(0, 8); }

TEST(Outline, IsPleasantToRead) {
  const Plan plan(definition_of(kSmall));
  std::string expected = R"(try: a sweep of the study planted

axes
  planted.condition  a, b           2
  image set          0 to 3         4
  seed               0 to 1         2
  runs                             16

runs
         0  ID0  planted.condition = a, image set 0, seed 0
         1  ID1  planted.condition = a, image set 0, seed 1
         2  ID2  planted.condition = a, image set 1, seed 0
       ...
        13  ID13  planted.condition = b, image set 2, seed 1
        14  ID14  planted.condition = b, image set 3, seed 0
        15  ID15  planted.condition = b, image set 3, seed 1

packs for 3 workers (sized by memory, and by speed where it was measured)
  2 packs of 4 runs, 4232 bytes a run, 17 kB a pack: planted.condition = a
  1 pack of 8 runs, 4232 bytes a run, 34 kB a pack: planted.condition = b

time
  about 5 min 20 s on 3 workers: an estimate from the arithmetic of a run, at 30 GFLOP/s a worker

claims
  b is more

warning: claim "b is more" cannot be decided with 4 image sets; at least 6 are needed: the sign-flip test gives no p below 0.125, and alpha = 0.05 asks for 0.05.
)";
  for (std::int64_t i : {15, 14, 13, 2, 1, 0}) {
    const std::string mark = "ID" + std::to_string(i) + " ";
    expected.replace(expected.find(mark), mark.size(), id_of(plan, i) + " ");
  }
  EXPECT_EQ(outline_text(plan, outline(plan, 3, kMemory)), expected);
}

TEST(Outline, WarnsOfRunsThatAClaimFindsNoPartnerFor) {
  const std::string when = kSmall.substr(0, kSmall.find("[[claim]]")) + "\"planted.noise_sd\" = { values = [0.5, 5, 50], when = { \"planted.condition\" = \"b\" } }\n" +
                           kSmall.substr(kSmall.find("[[claim]]"));
  EXPECT_THAT(check_claims(Plan(definition_of(when))).warnings, testing::IsEmpty()) << "each value is held against the runs of a";
  const std::string one_sided = when + "[[sweep.exclude]]\n\"planted.condition\" = \"a\"\n\"planted.effect\" = 2\n";
  const auto warnings = check_claims(Plan(definition_of(std::string(one_sided).insert(one_sided.find("\"planted.noise_sd\""), "\"planted.effect\" = [1, 2]\n")))).warnings;
  ASSERT_THAT(warnings, testing::SizeIs(1));
  EXPECT_THAT(warnings[0], HasSubstr("the claim \"b is more\" leaves 24 runs out, which have no partner on the other side, as those with condition b, effect 2, noise sd 0.5"));
}

TEST(Outline, ShowsAllRunsOfASmallSweepAndTheEndsOfALongAxis) {
  const Plan plan(definition_of("[packs]\nsize = 2\n[sweep.grid]\n\"planted.effect\" = [0.1, 0.2, 0.3, 0.4]\n"));
  const std::string text = outline_text(plan, outline(plan, 1, kMemory));
  EXPECT_THAT(text, Not(HasSubstr("...")));
  EXPECT_THAT(text, HasSubstr("packs for 1 worker ([packs] size = 2)\n  2 packs of 2 runs, 4232 bytes a run, 8464 bytes a pack\n"));
  std::string values;
  for (int i = 0; i < 100; ++i) values += std::to_string(i) + ", ";
  const Plan wide(definition_of("[sweep.grid]\n\"planted.effect\" = [" + values + "]\n"));
  EXPECT_THAT(outline_text(wide, outline(wide, 1, kMemory)), HasSubstr("  planted.effect  0 ... 99       100\n"));
}

TEST(Outline, CountsPointsThatAreThereTwice) {
  const Plan plan(definition_of("[[sweep.zip]]\n\"planted.effect\" = [1, 2, 1]\n\"planted.size\" = [3, 4, 3]\n[sweep.random]\ncount = 10\n\"planted.steps\" = { choice = [1, 2] }\n"));
  const Outline seen = outline(plan, 1, kMemory);
  EXPECT_THAT(outline_text(plan, seen), testing::ContainsRegex(R"(zip  +planted.effect, planted.size together \(1 point left out, there already\) +2)"));
  EXPECT_THAT(outline_text(plan, seen), testing::ContainsRegex(R"(random  +planted.steps \(8 points left out, there already\) +2)"));
  EXPECT_EQ(outline_json(plan, seen)["points_twice"], 9);
  EXPECT_EQ(outline_json(plan, seen)["left_out"], 0);
}

TEST(Outline, IsTheSameInJson) {
  const Plan plan(definition_of(kSmall));
  const auto json = outline_json(plan, outline(plan, 3, kMemory));
  EXPECT_EQ(json["runs"], 16);
  EXPECT_EQ(json["to_run"], 16);
  EXPECT_EQ(json["axes"].dump(), R"([{"key":"planted.condition","values":["a","b"]}])");
  EXPECT_EQ(json["last"]["id"], plan.run_at(15).id);
  EXPECT_EQ(json["last"]["condition"].dump(), R"({"planted.condition":"b"})");
  EXPECT_EQ(json["packs"].size(), 2u);
  EXPECT_EQ(json["packs"][0]["packs"], 2);
  EXPECT_EQ(json["packs"][0]["bytes_per_pack"], 4 * 4232);
  EXPECT_EQ(json["seconds_from"], "arithmetic");
  EXPECT_NEAR(json["seconds"].get<double>(), 320, 1);
  EXPECT_EQ(json["warnings"].size(), 1u);
  EXPECT_EQ(json["claims"][0]["hash"], plan.definition().claims[0].hash);
}

class Results : public testing::Test {
 protected:
  /// A ledger of the definition in which the first `done` runs succeeded, 9 s each, and the next `failed` failed.
  void record(const Definition& definition, std::int64_t done, std::int64_t failed) {
    const Plan plan(definition);
    std::vector<RunSpec> runs;
    for (std::int64_t i = 0; i < plan.size(); ++i) runs.push_back(plan.run_at(i));
    Ledger ledger = Ledger::open_for_writing(folder_.path());
    ledger.record_definition(plan, RunSet::below(plan.size()), {});
    std::vector<LedgerEntry> entries;
    for (std::int64_t i = 0; i < done + failed; ++i) {
      const Attempt attempt{.run = runs[i].id, .number = 1, .pack = 1, .host = "h", .device = "cpu", .rank = 0, .started = 0, .finished = 9, .place = i};
      const LedgerEntry started = AttemptStarted{{attempt}}, failure = RunFailed{attempt, "planted"};
      const LedgerEntry success = RunSucceeded{attempt, {.id = runs[i].id, .failure = {}, .measurements = {}, .attachments = {}, .seconds = 9}};
      entries.push_back(started);
      entries.push_back(i < done ? success : failure);
    }
    ledger.commit(entries);
  }

  TemporaryFolder folder_;
};

TEST_F(Results, OfNoSweepYetAreNone) {
  EXPECT_FALSE(progressed_in(folder_.path(), Plan(definition_of(kSmall))));
  EXPECT_FALSE(progressed_in(folder_ / "none", Plan(definition_of(kSmall))));
}

TEST_F(Results, TakeWhatIsDoneOutOfThePlanAndTimeTheRest) {
  const Definition definition = definition_of(kSmall);
  record(definition, 9, 2);
  const Plan plan(definition);
  const Outline seen = outline(plan, 1, kMemory, progressed_in(folder_.path(), plan));
  EXPECT_EQ(seen.waiting, 5);
  EXPECT_EQ(seen.from, Outline::From::kLedger);
  EXPECT_DOUBLE_EQ(seen.seconds, 45);
  EXPECT_THAT(seen.progressed->waiting.numbers(), ElementsAre(11, 12, 13, 14, 15));
  const std::string text = outline_text(plan, seen);
  EXPECT_THAT(text, HasSubstr("done\n  9 of 16 runs in " + folder_.path().string() + "; 2 failed (sweep --retry-failed runs them again); 5 to run\n"));
  EXPECT_THAT(text, HasSubstr("about 45 s on 1 worker: an estimate from the runs that are done\n"));
}

TEST_F(Results, KeepRunsOfAnEarlierDefinitionAside) {
  record(definition_of(kSmall), 16, 0);
  const Plan edited(definition_of("[planted]\nseconds = 6\nsteps = 10\n[sweep]\nimage_sets = 4\nseeds = 2\n"));  // condition a alone
  const Outline seen = outline(edited, 1, kMemory, progressed_in(folder_.path(), edited));
  EXPECT_EQ(seen.waiting, 0);
  EXPECT_EQ(seen.progressed->not_asked, 8);
  const std::string text = outline_text(edited, seen);
  EXPECT_THAT(text, HasSubstr("8 of 8 runs in " + folder_.path().string() + "; nothing to run\n  8 runs of an earlier definition: kept, and left out of the report\n"));
  EXPECT_THAT(text, Not(HasSubstr("packs")));
}

TEST_F(Results, CountRunsThatWereNeverHandedOutAsThoseThatWere) {
  record(definition_of(kSmall), 3, 0);
  const Plan edited(definition_of("[planted]\nseconds = 6\nsteps = 10\n[sweep]\nimage_sets = 4\nseeds = 3\n"));  // condition a alone, a seed more
  const auto progressed = progressed_in(folder_.path(), edited);
  EXPECT_EQ(progressed->done, 3);
  EXPECT_EQ(progressed->waiting.size(), 9);
  EXPECT_EQ(progressed->is_new, 4) << "the third seed of each image set";
  EXPECT_EQ(progressed->not_asked, 8) << "condition b";
}

}  // namespace
}  // namespace palimpsest
