#include "sweeps/ledger.h"
#include "sweeps/ledger_journal.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>

#include "runtime/durable_file.h"
#include "sweeps/plan.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kDefinition = R"(
study = "planted"
name = "small"
[sweep]
image_sets = 2
seeds = 1
[sweep.grid]
"planted.condition" = ["a", "b"]
)";
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

// The four runs of the definition, in the order of their ids.
struct Planned {
  Definition definition;
  std::vector<RunSpec> runs;
  explicit Planned(const std::string& text = kDefinition) : definition(read_definition_text(text, "small.toml")) {
    const Plan plan(definition);
    for (std::int64_t i = 0; i < plan.size(); ++i) runs.push_back(plan.run_at(i));
    std::ranges::sort(runs, {}, &RunSpec::id);
  }
};

Attempt attempt(const RunSpec& run, int number = 1) { return {run.id, number, 1, "node1", "cpu", 0, 100, 107}; }

RunSucceeded success(const RunSpec& run, std::vector<float> losses = {1, 0.5f}, int number = 1) {
  RunSucceeded entry{attempt(run, number), {}};
  entry.result.id = run.id;
  entry.result.measurements = {{"loss", {{"epoch", {"0", "1"}}}, std::move(losses)}};
  entry.result.seconds = 7;
  return entry;
}

RunFailed failure(const RunSpec& run, std::string reason = "not a number") { return {attempt(run), std::move(reason)}; }

void commit(Ledger& ledger, LedgerEntry entry) { ledger.commit(std::span(&entry, 1)); }

Ledger started(const std::filesystem::path& folder, const Planned& planned) {
  Ledger ledger = Ledger::open_for_writing(folder);
  ledger.record_definition(planned.definition, planned.runs, {{"host", "node1"}});
  return ledger;
}

// A line a run: its number in `planned`, state, attempts.
std::string text(const Ledger& ledger, const Planned& planned, bool all = false) {
  static const char* const words[] = {"waiting", "done", "failed"};
  std::string lines;
  for (const LedgerRun& run : ledger.runs(all)) {
    const auto at = std::ranges::find(planned.runs, run.spec.id, &RunSpec::id) - planned.runs.begin();
    lines += std::to_string(at) + " " + words[static_cast<int>(run.state)] + (run.reason.empty() ? "" : " (" + run.reason + ")") + "\n";
  }
  return lines;
}

std::vector<float> losses(const Ledger& ledger, const RunId& wanted) {
  std::vector<float> values;
  ledger.for_each_measurement("loss", [&](const RunId& run, const Measurement& measurement) {
    if (run == wanted) values = measurement.values;
  });
  return values;
}

template <class ErrorType, class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const ErrorType& error) {
    return error.what();
  }
  return "nothing was thrown";
}

struct LedgerIn : testing::Test {
  TemporaryFolder folder;
  Planned planned;
};

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
  EXPECT_EQ(ledger.provenance().at("host"), "node1");
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
  const Planned edited(std::string(kDefinition).replace(kDefinition.find("\"b\"]"), 4, "\"b\"]\n\"planted.size\" = [4, 5]"));
  ledger.record_definition(edited.definition, edited.runs, {});
  EXPECT_THAT(ledger.runs(), SizeIs(8));
  EXPECT_EQ(std::ranges::count(ledger.runs(), RunState::kDone, &LedgerRun::state), 4);
  const Planned fewer(std::string(kDefinition).replace(kDefinition.find("image_sets = 2"), 14, "image_sets = 1"));
  ledger.record_definition(fewer.definition, fewer.runs, {});
  EXPECT_THAT(ledger.runs(), SizeIs(2));
  EXPECT_THAT(ledger.runs(true), SizeIs(8));
  std::size_t rows = 0;
  ledger.for_each_measurement("loss", [&](const RunId&, const Measurement&) { ++rows; });
  EXPECT_EQ(rows, 2u);
}

TEST_F(LedgerIn, AFolderMarksClaimsExploratoryThatCameAfterAResult) {
  Ledger ledger = started(folder.path(), planned);
  commit(ledger, success(planned.runs[0]));
  const Planned late(kDefinition + kClaim);
  ledger.record_definition(late.definition, late.runs, {});
  ASSERT_THAT(ledger.claims(), SizeIs(1));
  EXPECT_TRUE(ledger.claims()[0].exploratory);
  EXPECT_EQ(ledger.claims()[0].claim, late.definition.claims[0]);
}

TEST_F(LedgerIn, AFolderLetsAClaimKeepTheStatusItWasFirstSeenWith) {
  const Planned early(kDefinition + kClaim);
  Ledger ledger = started(folder.path(), early);
  commit(ledger, success(early.runs[0]));
  ledger.record_definition(planned.definition, planned.runs, {});   // taken out ...
  EXPECT_THAT(ledger.claims(), IsEmpty());
  ledger.record_definition(early.definition, early.runs, {});       // ... and put back
  ASSERT_THAT(ledger.claims(), SizeIs(1));
  EXPECT_FALSE(ledger.claims()[0].exploratory);
}

TEST_F(LedgerIn, AFolderRefusesAnotherStudy) {
  Ledger ledger = started(folder.path(), planned);
  Study other = kPlantedStudy;
  other.name = "other";
  Planned changed = planned;
  changed.definition.study = &other;
  EXPECT_THAT(message_of<InputError>([&] { ledger.record_definition(changed.definition, changed.runs, {}); }),
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

TEST(LedgerJournal, IsRolledBackWhereMemoryCannotBeShared) {
  for (const std::int64_t over_network : {0x6969, 0x0bd00bd0, 0x47504653, 0x65735546, static_cast<int>(0xff534d42)})
    EXPECT_THAT(journal_for(over_network & 0xffffffff), HasSubstr("DELETE")) << over_network;
  for (const std::int64_t local : {0xef53, 0x58465342, 0x01021994, 0})   // ext4, XFS, tmpfs, unknown
    EXPECT_THAT(journal_for(local), HasSubstr("WAL")) << local;
}

TEST_F(LedgerIn, AFolderOverTheNetworkKeepsWhatWasCommittedThere) {
  setenv("PALIMPSEST_FILE_SYSTEM", "6969", 1);
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, success(planned.runs[0]));
    EXPECT_FALSE(std::filesystem::exists(folder / "ledger.sqlite-wal"));
    EXPECT_THAT(text(Ledger::open_for_reading(folder.path()), planned), HasSubstr("0 done"));
    commit(ledger, success(planned.runs[1]));
  }
  unsetenv("PALIMPSEST_FILE_SYSTEM");
  EXPECT_THAT(text(started(folder.path(), planned), planned), HasSubstr("0 done\n1 done"));   // copied to a local disk
}

TEST_F(LedgerIn, AFolderRefusesASecondCoordinatorAndNamesTheFirst) {
  const Ledger first = started(folder.path(), planned);
  EXPECT_TRUE(Ledger::held(folder.path()));
  EXPECT_THAT(message_of<LedgerHeld>([&] { Ledger::open_for_writing(folder.path()); }),
              HasSubstr("process " + std::to_string(getpid())));
}

TEST_F(LedgerIn, AFolderIsFreeWhenItsCoordinatorWasKilled) {
  const pid_t child = fork();
  if (child == 0) {
    const Ledger held = started(folder.path(), planned);
    kill(getpid(), SIGKILL);
  }
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(Ledger::held(folder.path()));
  EXPECT_EQ(text(Ledger::open_for_writing(folder.path()), planned), "0 waiting\n1 waiting\n2 waiting\n3 waiting\n");
}

// As on a file system without locks: the newer coordinator wins.
TEST_F(LedgerIn, AFolderRefusesACoordinatorThatWasThoughtDead) {
  Ledger stale = started(folder.path(), planned);
  std::filesystem::remove(folder / "ledger.lock");
  Ledger fresh = Ledger::open_for_writing(folder.path());
  EXPECT_THAT(message_of<LedgerHeld>([&] { commit(stale, success(planned.runs[0])); }), HasSubstr("took this sweep over"));
  EXPECT_EQ(text(fresh, planned), "0 waiting\n1 waiting\n2 waiting\n3 waiting\n");
  commit(fresh, success(planned.runs[0]));
}

TEST_F(LedgerIn, AFolderKeepsNothingOfATransactionThatFailed) {
  Ledger ledger = started(folder.path(), planned);
  RunSpec stranger = planned.runs[0];
  stranger.id = "never planned";
  const std::vector<LedgerEntry> entries = {success(planned.runs[0]), success(stranger)};
  EXPECT_THAT(message_of<InputError>([&] { ledger.commit(entries); }), HasSubstr("the ledger does not know it"));
  EXPECT_EQ(text(ledger, planned), "0 waiting\n1 waiting\n2 waiting\n3 waiting\n");
}

TEST_F(LedgerIn, AFolderCanBeReadWhileItIsWritten) {
  Ledger ledger = started(folder.path(), planned);
  const Ledger before = Ledger::open_for_reading(folder.path());
  EXPECT_THAT(text(before, planned), HasSubstr("0 waiting"));
  commit(ledger, success(planned.runs[0]));
  EXPECT_THAT(text(before, planned), HasSubstr("0 waiting"));   // one state, as it was when opened
  EXPECT_THAT(text(Ledger::open_for_reading(folder.path()), planned), HasSubstr("0 done"));
}

TEST_F(LedgerIn, AFolderWithoutOneIsNamed) {
  EXPECT_THAT(message_of<InputError>([&] { Ledger::open_for_reading(folder.path()); }), HasSubstr("no sweep's results are here"));
}

TEST_F(LedgerIn, AFolderIsRefusedWhenTheFileIsNoLedger) {
  std::ofstream(folder / "ledger.sqlite") << std::string(5000, 'x');
  EXPECT_THAT(message_of<InputError>([&] { Ledger::open_for_reading(folder.path()); }), HasSubstr("is damaged, or no ledger"));
  EXPECT_THAT(message_of<InputError>([&] { Ledger::open_for_writing(folder.path()); }), HasSubstr("is damaged, or no ledger"));
}

TEST_F(LedgerIn, AFolderIsRefusedWhenAnotherProgramMadeTheFile) {
  SQLite::Database(folder / "ledger.sqlite", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE music (title TEXT)");
  EXPECT_THAT(message_of<InputError>([&] { Ledger::open_for_writing(folder.path()); }), HasSubstr("no ledger of palimpsest"));
}

TEST_F(LedgerIn, AFolderIsRefusedWhenAnotherVersionWroteIt) {
  { started(folder.path(), planned); }
  SQLite::Database(folder / "ledger.sqlite", SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 9");
  EXPECT_THAT(message_of<InputError>([&] { Ledger::open_for_reading(folder.path()); }),
              HasSubstr("written by version 9 of the ledger's format, this program reads version 2"));
}

TEST_F(LedgerIn, AFolderWithDamagedPagesIsNamedAndNothingIsMadeUp) {
  {
    Ledger ledger = started(folder.path(), planned);
    for (const RunSpec& run : planned.runs) commit(ledger, success(run));
  }
  {
    std::fstream file(folder / "ledger.sqlite", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(40000, '\xff');
  }
  EXPECT_THAT(message_of<InputError>([&] { text(Ledger::open_for_reading(folder.path()), planned); }), HasSubstr("ledger.sqlite: is damaged"));
}

TEST_F(LedgerIn, AFolderCutOffIsNamedAndNothingIsMadeUp) {
  {
    Ledger ledger = started(folder.path(), planned);
    for (const RunSpec& run : planned.runs) commit(ledger, success(run));
  }
  std::filesystem::resize_file(folder / "ledger.sqlite", 3 * 4096);
  EXPECT_THAT(message_of<InputError>([&] { text(Ledger::open_for_reading(folder.path()), planned); }), HasSubstr("ledger.sqlite: is damaged"));
}

TEST_F(LedgerIn, AFolderExportsTheSameBytesHoweverTheSweepRan) {
  TemporaryFolder other;
  {
    Ledger ledger = started(folder.path(), planned);
    for (const RunSpec& run : planned.runs) commit(ledger, success(run));
    Ledger again = started(other.path(), planned);
    commit(again, failure(planned.runs[3]));
    for (int i : {3, 1, 2, 0}) {
      commit(again, AttemptStarted{{{planned.runs[i].id, 4, 9, "node7", "cpu", 5, 1e9, 0}}});
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
    Planned hostile;
    for (RunSpec& run : hostile.runs) run.settings.set("planted.condition", std::string("=HYPERLINK(\"http://a.example\")"));
    Ledger ledger = started(folder.path(), hostile);
    RunSucceeded entry = success(hostile.runs[0]);
    entry.result.measurements = {{"../../escape", {{"@axis", {"+cmd|' /C calc'!A0", "-0.5"}}}, {1, 2}}};
    commit(ledger, entry);
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
