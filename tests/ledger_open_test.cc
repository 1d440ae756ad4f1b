// Who may open a ledger, where it may lie, and which files are refused.

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "sweeps/ledger_journal.h"
#include "sweeps/ledger_check.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;

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

TEST_F(LedgerIn, AFolderWhoseSweepWroteNothingIsNotCalledDamaged) {
  std::ofstream(folder / "ledger.sqlite").flush();
  EXPECT_THAT(message_of<InputError>([&] { check_ledger(folder.path()); }), HasSubstr("was stopped before it wrote anything"));
  EXPECT_THAT(message_of<InputError>([&] { salvage_ledger(folder.path(), folder.path() / "saved"); }), HasSubstr("was stopped before it wrote anything"));
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
              HasSubstr("written by version 9 of the ledger's format, this program reads version 4"));
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

}  // namespace
}  // namespace palimpsest
