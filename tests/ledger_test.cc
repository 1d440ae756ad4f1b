#include "sweeps/ledger.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "runtime/durable_file.h"
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

RunFailed failure(const RunSpec& run, std::string reason = "not a number") { return {attempt(run), std::move(reason)}; }

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

TEST_F(LedgerIn, AFolderRunsFailedRunsAgainOnRequest) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, failure(planned.runs[2]));
  ledger.retry_failed();
  EXPECT_THAT(text(ledger, planned), HasSubstr("2 waiting"));
  commit(ledger, success(planned.runs[2], {1, 2}, 2));
  EXPECT_THAT(text(ledger, planned), HasSubstr("2 done\n"));
}

TEST_F(LedgerIn, AFolderKnowsWhichPacksAreInFlight) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{attempt(planned.runs[0]), attempt(planned.runs[1])}});
  commit(ledger, success(planned.runs[0]));
  ASSERT_THAT(ledger.in_flight(), SizeIs(1));
  EXPECT_EQ(ledger.in_flight()[0].run, planned.runs[1].id);
}

TEST_F(LedgerIn, AFolderHasNothingInFlightAfterItsCoordinatorCameAnew) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{attempt(planned.runs[0])}});
  }
  EXPECT_THAT(Ledger::open_for_writing(folder.path()).in_flight(), IsEmpty());
}

TEST_F(LedgerIn, AFolderKeepsRunsTheEditedDefinitionNoLongerAsksFor) {
  Ledger ledger = started(folder.path(), planned);
  for (const RunSpec& run : planned.runs) commit(ledger, success(run));
  const Planned edited(std::string(kSmallDefinition).replace(kSmallDefinition.find("\"b\"]"), 4, "\"b\"]\n\"planted.size\" = [4, 5]"));
  ledger.record_definition(edited.plan, edited.all(), {});
  EXPECT_THAT(ledger.runs(), SizeIs(8));
  EXPECT_EQ(std::ranges::count(ledger.runs(), RunState::kDone, &LedgerRun::state), 4);
  const Planned fewer(std::string(kSmallDefinition).replace(kSmallDefinition.find("image_sets = 2"), 14, "image_sets = 1"));
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

std::string with_image_sets(int count) {
  return std::string(kSmallDefinition).replace(kSmallDefinition.find("image_sets = 2"), 14, "image_sets = " + std::to_string(count));
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

Attempt on_rank(const RunSpec& run, int rank, std::int64_t pack, int number = 1) {
  Attempt one = attempt(run, number);
  one.rank = rank, one.pack = pack;
  return one;
}

// "pack of 0, 1 on rank 2", a line each.
std::string lost(const Ledger& ledger, const Planned& planned) {
  std::string lines;
  for (const LostPack& pack : ledger.lost_packs()) {
    lines += "pack of";
    for (const RunId& id : pack.runs) lines += " " + std::to_string(std::ranges::find(planned.runs, id, &RunSpec::id) - planned.runs.begin());
    lines += " on rank " + std::to_string(pack.rank) + "\n";
  }
  return lines;
}

TEST_F(LedgerIn, AFolderBlamesTheWorkersThatWereNotWellWhenTheWorldEnded) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 0, 1), on_rank(planned.runs[1], 1, 2), on_rank(planned.runs[2], 2, 3), on_rank(planned.runs[3], 2, 3)}});
    commit(ledger, AttemptsEnded{{on_rank(planned.runs[0], 0, 1)}, Ending::kSpared});
    commit(ledger, AttemptsEnded{{on_rank(planned.runs[1], 1, 2)}, Ending::kSpared});
  }
  Ledger ledger = started(folder.path(), planned);
  ledger.end_left_attempts();
  EXPECT_EQ(lost(ledger, planned), "pack of 2 3 on rank 2\n");
}

TEST_F(LedgerIn, AFolderBlamesItsCoordinatorsOwnRunsWhereItEndedWithoutAWord) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 0, 1), on_rank(planned.runs[1], 1, 2)}});
  }
  Ledger ledger = started(folder.path(), planned);
  ledger.end_left_attempts();
  EXPECT_EQ(lost(ledger, planned), "pack of 0 on rank 0\n");
}

TEST_F(LedgerIn, AFolderKeepsWhoHadARunThatASecondWorkerGotAsWell) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 1, 1), on_rank(planned.runs[1], 1, 1)}});
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 2, 2, 2)}});
  EXPECT_THAT(ledger.record(planned.runs[0].id).attempts, SizeIs(2));
  RunSucceeded second = success(planned.runs[0], {1, 2}, 2);
  second.attempt = on_rank(planned.runs[0], 2, 2, 2);
  commit(ledger, second);
  commit(ledger, AttemptsEnded{{on_rank(planned.runs[0], 1, 1)}, Ending::kSecond});
  const auto attempts = ledger.record(planned.runs[0].id).attempts;
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_EQ(attempts[0].outcome, Outcome::kDropped);
  EXPECT_EQ(std::pair(attempts[1].outcome, attempts[1].attempt.rank), std::pair(Outcome::kDone, 2));
  ASSERT_THAT(ledger.in_flight(), SizeIs(1));
  EXPECT_EQ(ledger.in_flight()[0].run, planned.runs[1].id);
}

TEST_F(LedgerIn, AFolderKeepsTheAttemptThatFailedOfARunThatIsRunAgain) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 1, 1)}});
  commit(ledger, RunFailed{on_rank(planned.runs[0], 1, 1), "not a number"});
  const auto of_run = [&] { return ledger.record(planned.runs[0].id).attempts; };
  ASSERT_THAT(of_run(), SizeIs(1));
  EXPECT_EQ(std::tuple(of_run()[0].outcome, of_run()[0].attempt.rank, of_run()[0].reason), std::tuple(Outcome::kFailed, 1, "not a number"));
  ledger.retry_failed();
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 2, 2, 2)}});
  RunSucceeded second = success(planned.runs[0], {1, 2}, 2);
  second.attempt = on_rank(planned.runs[0], 2, 2, 2);
  commit(ledger, second);
  ASSERT_THAT(of_run(), SizeIs(2));
  EXPECT_EQ(std::tuple(of_run()[0].outcome, of_run()[0].attempt.rank, of_run()[0].reason), std::tuple(Outcome::kFailed, 1, "not a number"));
  EXPECT_EQ(std::pair(of_run()[1].outcome, of_run()[1].attempt.rank), std::pair(Outcome::kDone, 2));
}

TEST_F(LedgerIn, AFolderKnowsRunsInFlightByTheirIdsAfterThePlanGaveThemOtherNumbers) {
  const Planned more(with_image_sets(3));
  const RunId of_b = more.plan.run_at(3).id;   // number 2 where there are two image sets
  {
    Ledger ledger = started(folder.path(), more);
    commit(ledger, AttemptStarted{{on_rank(more.plan.run_at(3), 0, 4), on_rank(more.plan.run_at(2), 0, 4)}});
  }
  Ledger ledger = started(folder.path(), planned);
  ledger.end_left_attempts();
  ASSERT_THAT(ledger.lost_packs(), SizeIs(1));
  EXPECT_THAT(ledger.lost_packs()[0].runs, testing::UnorderedElementsAre(of_b, more.plan.run_at(2).id));
  EXPECT_EQ(ledger.record(of_b).run.number, 2);
  EXPECT_EQ(ledger.record(of_b).run.attempts, 1);
  EXPECT_EQ(ledger.highest_pack(), 4);
}

TEST_F(LedgerIn, AFolderSetsRunsApartUntilTheyAreAskedForByName) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, AttemptStarted{{on_rank(planned.runs[0], 1, 1)}});
  commit(ledger, AttemptsEnded{{on_rank(planned.runs[0], 1, 1)}, Ending::kLost});
  commit(ledger, RunQuarantined{on_rank(planned.runs[0], 1, 1), "it kills"});
  EXPECT_THAT(text(ledger, planned), HasSubstr("0 failed (it kills)\n"));
  EXPECT_TRUE(ledger.runs()[0].quarantined);
  ledger.retry_failed();
  EXPECT_THAT(text(ledger, planned), HasSubstr("0 failed"));
  ledger.retry_quarantined();
  EXPECT_THAT(text(ledger, planned), HasSubstr("0 waiting"));
  EXPECT_EQ(lost(ledger, planned), "") << "the workers it was alone with are forgotten";
}

TEST_F(LedgerIn, AFolderKeepsNothingOfATransactionThatFailed) {
  Ledger ledger = started(folder.path(), planned);
  RunSpec stranger = planned.runs[0];
  stranger.id = "never planned";
  const std::vector<LedgerEntry> entries = {success(planned.runs[0]), success(stranger)};
  EXPECT_THAT(message_of<InputError>([&] { ledger.commit(entries); }), HasSubstr("the ledger does not know it"));
  EXPECT_EQ(text(ledger, planned), "0 waiting\n1 waiting\n2 waiting\n3 waiting\n");
}

TEST_F(LedgerIn, AFolderExportsTheSameBytesHoweverTheSweepRan) {
  TemporaryFolder other;
  {
    Ledger ledger = started(folder.path(), planned);
    for (const RunSpec& run : planned.runs) commit(ledger, success(run));
    Ledger again = started(other.path(), planned);
    commit(again, failure(planned.runs[3]));
    for (int i : {3, 1, 2, 0}) {
      commit(again, AttemptStarted{{{planned.runs[i].id, 4, 9, "node7", "cpu", 5, 1e9, 0, attempt(planned.runs[i]).place}}});
      commit(again, success(planned.runs[i], {1, 0.5f}, 4));
    }
  }
  export_csv(Ledger::open_for_reading(folder.path()), folder / "export");
  export_csv(Ledger::open_for_reading(other.path()), other / "export");
  for (const char* name : {"runs.csv", "loss.csv"}) {
    const std::string table = read_file(folder / "export" / name);
    EXPECT_FALSE(table.empty());
    EXPECT_EQ(table, read_file(other / "export" / name));
  }
}

TEST_F(LedgerIn, AFolderExportsTidyTablesWithShortestNumbers) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, success(planned.runs[0], {0.1f, std::nanf("")}));
  }
  export_csv(Ledger::open_for_reading(folder.path()), folder / "export");
  const RunSpec& run = planned.runs[0];
  const std::string begin = run.id + ",0," + std::to_string(run.image_set) + "," + run.settings.string("planted.condition") + ",loss,";
  EXPECT_EQ(read_file(folder / "export" / "loss.csv"),
            "run,seed,image_set,planted.condition,metric,epoch,value\n" + begin + "0,0.1\n" + begin + "1,nan\n");
}

TEST_F(LedgerIn, AFolderExportsNoFormulaAndNoFileElsewhere) {
  {
    Definition definition = planned.definition;
    definition.grid[0].values = {std::string("=HYPERLINK(\"http://a.example\")")};
    const Planned hostile(definition);
    Ledger ledger = started(folder.path(), hostile);
    RunSucceeded entry = success(hostile.runs[0]);
    entry.result.measurements = {{"../../escape", {{"@axis", {"+cmd|' /C calc'!A0", "-0.5"}}}, {1, 2}}};
    commit(ledger, entry);
    commit(ledger, success(hostile.runs[1]));
  }
  export_csv(Ledger::open_for_reading(folder.path()), folder / "export");
  EXPECT_FALSE(std::filesystem::exists(folder.path().parent_path() / "escape.csv"));
  const std::string table = read_file(folder / "export" / ".._.._escape.csv");
  EXPECT_THAT(table, HasSubstr(",'@axis,value\n"));
  EXPECT_THAT(table, HasSubstr(",\"'=HYPERLINK(\"\"http://a.example\"\")\",../../escape,'+cmd|' /C calc'!A0,1\n"));
  EXPECT_THAT(table, HasSubstr(",-0.5,2\n"));   // a number stays one
}

}  // namespace
}  // namespace palimpsest
