#include "sweeps/ledger.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sweeps/run_record.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kClaim = R"(
[[claim]]
name = "b scores higher"
metric = "planted.score"
change = { epoch = [0, 10] }
at = { images = "familiar" }
treatment = { "planted.condition" = "b" }
baseline = { "planted.condition" = "a" }
direction = "greater"
)";

std::vector<float> losses(const Ledger& ledger, const RunId& wanted) {
  std::vector<float> values;
  ledger.for_each_measurement("loss", [&](const RunId& run, const Measurement& measurement) {
    if (run == wanted) values = measurement.values;
  });
  return values;
}

TEST_F(LedgerIn, AFolderHoldsWhatWasCommittedAndNothingElse) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{attempt(planned.runs[0]), attempt(planned.runs[1])}});
    commit(ledger, success(planned.runs[0]));
    commit(ledger, failure(planned.runs[1]));
  }
  const Ledger ledger = Ledger::open_for_reading(folder.path());
  EXPECT_EQ(text(ledger, planned), "0 done\n1 failed (not a number)\n2 waiting\n3 waiting\n");
  EXPECT_EQ(ledger.study(), "planted");
  EXPECT_EQ(ledger.name(), "small");
  EXPECT_EQ(ledger.provenances().at(0).at("host"), "node1");
  EXPECT_THAT(ledger.axes(), ElementsAre("planted.condition"));
  EXPECT_THAT(ledger.metrics(), ElementsAre("loss"));
  EXPECT_THAT(losses(ledger, planned.runs[0].id), ElementsAre(1, 0.5f));
  const LedgerRun run = ledger.runs()[0];
  EXPECT_EQ(run.spec.settings, planned.runs[0].settings);
  EXPECT_EQ(run.attempts, 1);
  EXPECT_EQ(run.host, "node1");
  EXPECT_EQ(run.seconds, 7);
  EXPECT_EQ(ledger.highest_pack(), 1);
}

TEST_F(LedgerIn, AFolderKeepsNumbersBitForBit) {
  const std::vector<float> odd = {-0.0f, std::nextafter(1.0f, 2.0f)};
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, success(planned.runs[0], odd));
  const auto back = losses(Ledger::open_for_reading(folder.path()), planned.runs[0].id);
  EXPECT_EQ(std::memcmp(back.data(), odd.data(), sizeof(float) * 2), 0);
}

TEST_F(LedgerIn, AFolderDropsASecondResultOfARun) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, success(planned.runs[0], {1, 2}));
  commit(ledger, success(planned.runs[0], {3, 4}, 2));
  commit(ledger, failure(planned.runs[0]));
  EXPECT_EQ(text(ledger, planned), "0 done\n1 waiting\n2 waiting\n3 waiting\n");
  EXPECT_THAT(losses(ledger, planned.runs[0].id), ElementsAre(1, 2));
}

TEST_F(LedgerIn, AFolderKeepsRunsTheEditedDefinitionNoLongerAsksFor) {
  Ledger ledger = started(folder.path(), planned);
  for (const RunSpec& run : planned.runs) commit(ledger, success(run));
  const Planned edited(std::string(kSmallDefinition).replace(kSmallDefinition.find("\"b\"]"), 4, "\"b\"]\n\"planted.size\" = [4, 5]"));
  ledger.record_definition(edited.plan, edited.all(), {});
  EXPECT_THAT(ledger.runs(), SizeIs(8));
  EXPECT_EQ(std::ranges::count(ledger.runs(), RunState::kDone, &LedgerRun::state), 4);
  const Planned fewer(with_image_sets(1));
  ledger.record_definition(fewer.plan, fewer.all(), {});
  EXPECT_THAT(ledger.runs(), SizeIs(2));
  EXPECT_THAT(ledger.runs(true), SizeIs(4)) << "those that were handed out";
  std::size_t rows = 0;
  ledger.for_each_measurement("loss", [&](const RunId&, const Measurement&) { ++rows; });
  EXPECT_EQ(rows, 2u);
}

TEST_F(LedgerIn, AFolderMarksClaimsExploratoryThatCameAfterAResult) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, success(planned.runs[0]));
  const Planned late(kSmallDefinition + kClaim);
  ledger.record_definition(late.plan, late.all(), {});
  ASSERT_THAT(ledger.claims(), SizeIs(1));
  EXPECT_TRUE(ledger.claims()[0].exploratory);
  EXPECT_EQ(ledger.claims()[0].claim, late.definition.claims[0]);
}

TEST_F(LedgerIn, AFolderLetsAClaimKeepTheStatusItWasFirstSeenWith) {
  const Planned early(kSmallDefinition + kClaim);
  Ledger ledger = started(folder.path(), early);
  commit(ledger, success(early.runs[0]));
  ledger.record_definition(planned.plan, planned.all(), {});   // taken out ...
  ASSERT_THAT(ledger.claims(), SizeIs(1));
  EXPECT_TRUE(ledger.claims()[0].withdrawn);
  EXPECT_EQ(ledger.claims()[0].claim, early.definition.claims[0]);
  ledger.record_definition(early.plan, early.all(), {});       // ... and put back
  ASSERT_THAT(ledger.claims(), SizeIs(1));
  EXPECT_FALSE(ledger.claims()[0].withdrawn);
  EXPECT_FALSE(ledger.claims()[0].exploratory);
}

TEST_F(LedgerIn, AFolderForgetsAClaimThatWasTakenOutBeforeAnyResult) {
  const Planned early(kSmallDefinition + kClaim);
  Ledger ledger = started(folder.path(), early);
  ledger.record_definition(planned.plan, planned.all(), {});
  commit(ledger, success(early.runs[0]));
  ledger.record_definition(planned.plan, planned.all(), {});
  EXPECT_THAT(ledger.claims(), IsEmpty());
  ledger.record_definition(early.plan, early.all(), {});   // it comes back knowing the result
  ASSERT_THAT(ledger.claims(), SizeIs(1));
  EXPECT_TRUE(ledger.claims()[0].exploratory);
}

TEST_F(LedgerIn, AFolderRemembersHowManyUnitsWereAskedForAfterResults) {
  const auto ask = [&](int units) {
    Planned one(with_image_sets(units));
    Ledger ledger = started(folder.path(), one);
    return std::pair(ledger.units_asked(), one);
  };
  ask(5);
  auto [before, six] = ask(6);
  EXPECT_THAT(before, ElementsAre(6)) << "nothing was known of 5";
  {
    Ledger ledger = started(folder.path(), six);
    commit(ledger, success(six.runs[0]));
  }
  EXPECT_THAT(ask(6).first, ElementsAre(6));
  EXPECT_THAT(ask(20).first, ElementsAre(6, 20));
}

TEST_F(LedgerIn, AFolderOfOneSliceRefusesAnother) {
  const auto record = [&](Slice slice) { Ledger::open_for_writing(folder.path()).record_definition(planned.plan, planned.all(), {}, slice); };
  record({1, 2});
  record({1, 2});
  EXPECT_THAT(message_of<InputError>([&] { record({2, 2}); }), HasSubstr("holds slice 1/2 of the sweep, and slice 2/2 was asked for"));
  EXPECT_THAT(Ledger::open_for_reading(folder.path()).slices(), ElementsAre(Slice{1, 2}));
  record({});
  EXPECT_THAT(message_of<InputError>([&] { record({1, 2}); }), HasSubstr("holds all of the sweep"));
}

std::vector<std::string> hosts(const Ledger& ledger) {
  std::vector<std::string> hosts;
  for (const auto& session : ledger.provenances()) hosts.push_back(session.at("host"));
  return hosts;
}

TEST_F(LedgerIn, AFolderTellsTheProvenancesOfTheSessionsThatItsResultsCameFrom) {
  const auto session = [&](const char* host, std::optional<std::size_t> done) {
    Ledger ledger = Ledger::open_for_writing(folder.path());
    ledger.record_definition(planned.plan, planned.all(), {{"host", host}});
    if (!done) return hosts(ledger);
    commit(ledger, AttemptStarted{{attempt(planned.runs[*done])}});
    commit(ledger, success(planned.runs[*done]));
    return hosts(ledger);
  };
  EXPECT_THAT(session("only planned", std::nullopt), ElementsAre("only planned"));
  session("first", 0);
  session("second", 1);
  session("first", 2);
  EXPECT_THAT(session("ran nothing", std::nullopt), ElementsAre("first", "second"));
  const TemporaryFolder other;
  {
    Ledger ledger = Ledger::open_for_writing(other.path());
    ledger.record_definition(planned.plan, planned.all(), {{"host", "of another slice"}});
    commit(ledger, AttemptStarted{{attempt(planned.runs[3])}});
    commit(ledger, success(planned.runs[3]));
  }
  EXPECT_THAT(hosts(Ledger::open_for_reading(std::vector{folder.path(), other.path()})), testing::UnorderedElementsAre("first", "second", "of another slice"));
}

TEST_F(LedgerIn, AFolderNumbersRunsByTheirPlaceInThePlanAsItIsNow) {
  const Planned more(with_image_sets(3));   // numbers 0 to 2 are of condition a, 3 to 5 of b
  const auto at = [](const Planned& planned, std::int64_t number) { return planned.plan.run_at(number).id; };
  {
    Ledger ledger = started(folder.path(), more);
    for (const RunSpec& run : more.runs) commit(ledger, success(run));
    EXPECT_EQ(ledger.run_named("4"), at(more, 4));
    EXPECT_EQ(ledger.run_named("#5"), at(more, 5));
  }
  const Ledger ledger = started(folder.path(), planned);
  EXPECT_EQ(ledger.run_named("2"), at(more, 3)) << "two image sets are left";
  EXPECT_EQ(ledger.record(at(more, 3)).run.number, 2);
  EXPECT_EQ(ledger.record(at(more, 2)).run.number, -1) << "no longer asked for";
  EXPECT_THAT(message_of<InputError>([&] { ledger.run_named("5"); }), HasSubstr("no run here has the number"));
}

TEST_F(LedgerIn, ASliceNumbersItsRunsAsTheWholeSweepDoes) {
  Ledger ledger = Ledger::open_for_writing(folder.path());
  ledger.record_definition(planned.plan, RunSet::below(4, 1, 2), {}, {2, 2});
  EXPECT_EQ(ledger.run_named("3"), planned.plan.run_at(3).id);
  EXPECT_THAT(message_of<InputError>([&] { ledger.run_named("2"); }), HasSubstr("no run here has the number"));
  EXPECT_THAT(ledger.runs(), SizeIs(2));
}

std::int64_t rows(const Ledger& ledger) {
  std::int64_t rows = 0;
  ledger.for_each_row(ledger.plan(), [&](const RunRow&) { ++rows; });
  return rows;
}

TEST_F(LedgerIn, AFolderHasARowForARunOnceThereIsMoreToSayThanThatItIsInFlight) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{attempt(planned.runs[1])}});
  EXPECT_EQ(rows(ledger), 0);
  EXPECT_EQ(ledger.record(planned.runs[1].id).attempts.size(), 1u);
  commit(ledger, AttemptStarted{{attempt(planned.runs[1], 2)}});
  EXPECT_EQ(rows(ledger), 1);
  EXPECT_EQ(text(ledger, planned), "0 waiting\n1 waiting\n2 waiting\n3 waiting\n");
  EXPECT_EQ(ledger.without_row().size(), 3);
  EXPECT_EQ(ledger.record(planned.runs[1].id).run.attempts, 2);
}

TEST_F(LedgerIn, AFolderTellsAllOfARunThatWasNeverHandedOut) {
  started(folder.path(), planned);
  const Ledger ledger = Ledger::open_for_reading(folder.path());
  const RunSpec run = planned.plan.run_at(2);
  const RunRecord record = ledger.record(ledger.run_named(run.id.substr(0, 12)));
  EXPECT_EQ(record.run.spec.settings, run.settings);
  EXPECT_EQ(record.run.spec.inputs, run.inputs);
  EXPECT_EQ(record.run.number, 2);
  EXPECT_EQ(record.run.state, RunState::kWaiting);
}

TEST_F(LedgerIn, AFolderPutsEachRunUnderItsOwnIdWhenItsRowIsMade) {
  {
    Ledger ledger = started(folder.path(), planned);
    for (const RunSpec& run : planned.runs) commit(ledger, success(run));
  }
  for (const RunSpec& run : planned.runs) {
    const LedgerRun row = Ledger::open_for_reading(folder.path()).record(run.id).run;
    EXPECT_EQ(row.spec.settings, run.settings);
    EXPECT_EQ(row.spec.inputs, run.inputs);
    EXPECT_EQ(std::pair(row.spec.seed, row.spec.image_set), std::pair(run.seed, run.image_set));
  }
}

TEST_F(LedgerIn, TenMillionRunsThatWaitTakeNoRowAndNoRoom) {
  const Planned few(kSmallDefinition);
  Definition many = few.definition;
  many.seeds = 2'500'000;
  const Plan plan(many);
  ASSERT_EQ(plan.size(), 10'000'000);
  Ledger ledger = Ledger::open_for_writing(folder.path());
  ledger.record_definition(plan, RunSet::below(plan.size()), {});
  EXPECT_EQ(rows(ledger), 0);
  EXPECT_EQ(ledger.without_row().size(), 10'000'000);
  Attempt last = attempt(few.runs[0]);
  last.run = plan.run_at(9'999'999).id, last.place = 9'999'999;
  commit(ledger, AttemptStarted{{last}});
  commit(ledger, AttemptsEnded{{last}, Ending::kStopped});
  EXPECT_EQ(ledger.without_row(), RunSet::below(9'999'999));
  EXPECT_EQ(ledger.record(last.run).run.spec.seed, 2'499'999);
  EXPECT_LT(std::filesystem::file_size(folder.path() / "ledger.sqlite"), 1u << 20);
}

TEST_F(LedgerIn, AFolderRefusesAnotherStudy) {
  Ledger ledger = started(folder.path(), planned);
  Study other = kPlantedStudy;
  other.name = "other";
  Definition of_another = planned.definition;
  of_another.study = &other;
  const Planned changed(of_another);
  EXPECT_THAT(message_of<InputError>([&] { ledger.record_definition(changed.plan, changed.all(), {}); }),
              HasSubstr("holds results of the study \"planted\""));
}

TEST_F(LedgerIn, AFolderKeepsNothingOfATransactionThatFailed) {
  Ledger ledger = started(folder.path(), planned);
  RunSpec stranger = planned.runs[0];
  stranger.id = "never planned";
  const std::vector<LedgerEntry> entries = {success(planned.runs[0]), success(stranger)};
  EXPECT_THAT(message_of<InputError>([&] { ledger.commit(entries); }), HasSubstr("the ledger does not know it"));
  EXPECT_EQ(text(ledger, planned), "0 waiting\n1 waiting\n2 waiting\n3 waiting\n");
}

}  // namespace
}  // namespace palimpsest
