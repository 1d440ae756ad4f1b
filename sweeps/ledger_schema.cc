#include "sweeps/ledger_schema.h"

#include "sweeps/ledger_journal.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <unistd.h>

#include "sweeps/seal.h"

namespace palimpsest {
namespace {

// The ledger, version 4. `application_id` says that a file is one of ours, `user_version` which version. Times are seconds since
// 1970. JSON is as in ledger_json.h.
//
//   meta          facts of the sweep by key: study, name, definition (resolved.toml), axes (JSON list of grid keys), written_by, slice ("2/4"; "1/1":
//                 all of the sweep), units (JSON, for each session [epoch, units asked for, runs done by then]), plan (hash of what numbers the runs),
//                 inputs (hashes of what runs read, a line of JSON for each combination of values that names it and image set: with the definition they
//                 make the plan anew), claims (how many rows these have), asked (numbers of the plan that are asked for: "first:step:ranges", the ranges of (number - first) / step,
//                 both ends included; several where ledgers were joined)
//   sessions      one row per coordinator that opened it; the highest epoch is the only one that may write
//   settings      every key of a run; runs that differ in seed and image set alone share a row
//   inputs        hashes of what a run reads (slow weights, images), by name
//   packs         one row for the runs of a pack that were handed out for the first time: `runs` are their numbers as in `asked`, in the plan that is
//                 recorded; none where a later session gave those a row that had none. Those of them that have no row have a place here and no other
//   runs          those of which more is known than that; one that is asked for and has no row waits, and all of it follows from the plan. id: the hash of all a run resolves to, the version of the study's method among it; state 0 waiting, 1 done, 2 failed, 3 failed and
//                 in quarantine; asked: 1 + its place in the plan as it is now, which no other has, 0: not asked for; attempts: highest number given out; reason: of the last failure;
//                 host ... seconds: of the attempt that counts; results: how many measurements it has; first: the row of packs that it was handed out
//                 with, where it was through the first time: such an attempt has no row of its own. 0: attempts tells of all of them
//   attempts      who was given a run and when, but for those that `first` tells of (every_attempt has both); members of a pack share `pack`; outcome 0 none (in flight, or of a
//                 session that ended without a word), 1 done, 2 failed, 3 came second and was dropped, 4 stopped, 5 lost with its worker,
//                 6 stopped with the world while its worker was well
//   claims        status kept from the first time a claim (by hash) was seen; position -1: no longer asked for, -2: taken out after a run was done
//   shapes        axes of measurements, shared by all rows with the same ones
//   measurements  of `runs` runs that have rows `run`, `run` + 1, ...: row-major float32, little-endian, one number for each combination of the labels of
//                 its shape, one run after the other. Runs of a pack that measured little share a row
//   attachments   files for the report
//
// `seal` is the hash of the row's other values (seal.h) but for the number of attempts; those of an attempt and a session, which no result depends on, have none.
//
// Worked example: a run of two epochs with one metric.
//
//   meta          asked | 0:1:0-11                    (twelve runs; one has a row, so eleven wait that were never handed out)
//   settings      1 | {"epochs":["i",2]}
//   inputs        1 | {"slow.weights":"77ab..."}
//   packs         1 | 7 | epoch 2 | node1 | cpu | rank 0 | ... | 0:1:0-0
//   runs          1 | 5e0c... | 1 | seed 0 | image_set 3 | method 1 | inputs 1 | asked 1 | state 1 | attempts 1 | "" | node1 | cpu | ... | first 1
//   shapes        1 | [{"name":"epoch","labels":["0","1"]}]
//   metrics       1 | loss
//   measurements  metric 1 | run 1 | runs 1 | shape 1 | 00 00 80 3f 00 00 00 3f      (1.0, 0.5)
constexpr const char* kTables = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (epoch INTEGER PRIMARY KEY, started REAL NOT NULL, provenance TEXT NOT NULL);
CREATE TABLE settings (id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE, seal INTEGER NOT NULL);
CREATE TABLE inputs (id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE, seal INTEGER NOT NULL);
CREATE TABLE packs (
  row INTEGER PRIMARY KEY, pack INTEGER NOT NULL, epoch INTEGER NOT NULL, host TEXT NOT NULL, device TEXT NOT NULL, rank INTEGER NOT NULL,
  started REAL NOT NULL, runs TEXT NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE runs (
  row INTEGER PRIMARY KEY, id TEXT NOT NULL, settings INTEGER NOT NULL REFERENCES settings,
  seed INTEGER NOT NULL, image_set INTEGER NOT NULL, method INTEGER NOT NULL, inputs INTEGER NOT NULL REFERENCES inputs,
  asked INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', host TEXT NOT NULL DEFAULT '',
  device TEXT NOT NULL DEFAULT '', started REAL NOT NULL DEFAULT 0, finished REAL NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0, results INTEGER NOT NULL DEFAULT 0, first INTEGER NOT NULL DEFAULT 0, seal INTEGER NOT NULL);
CREATE UNIQUE INDEX runs_asked ON runs (asked) WHERE asked > 0;
CREATE TABLE attempts (
  run INTEGER NOT NULL REFERENCES runs, number INTEGER NOT NULL, pack INTEGER NOT NULL, epoch INTEGER NOT NULL,
  host TEXT NOT NULL, device TEXT NOT NULL, rank INTEGER NOT NULL, started REAL NOT NULL, finished REAL NOT NULL DEFAULT 0,
  outcome INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', PRIMARY KEY (run, number)) WITHOUT ROWID;
CREATE VIEW every_attempt AS
  SELECT run, number, pack, epoch, host, device, rank, started, finished, outcome, reason FROM attempts
  UNION ALL SELECT runs.row, 1, packs.pack, packs.epoch, packs.host, packs.device, packs.rank, packs.started, runs.finished, runs.state, runs.reason
  FROM runs JOIN packs ON packs.row = runs.first WHERE runs.first > 0;
CREATE TABLE claims (hash TEXT PRIMARY KEY, position INTEGER NOT NULL, json TEXT NOT NULL, exploratory INTEGER NOT NULL,
  seal INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE metrics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, seal INTEGER NOT NULL);
CREATE TABLE shapes (id INTEGER PRIMARY KEY, axes TEXT NOT NULL UNIQUE, seal INTEGER NOT NULL);
CREATE TABLE measurements (
  metric INTEGER NOT NULL REFERENCES metrics, run INTEGER NOT NULL, runs INTEGER NOT NULL, shape INTEGER NOT NULL REFERENCES shapes,
  numbers BLOB NOT NULL, seal INTEGER NOT NULL, UNIQUE (metric, run));
CREATE TABLE attachments (
  run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL, media_type TEXT NOT NULL, bytes BLOB NOT NULL,
  seal INTEGER NOT NULL, UNIQUE (run, name));
)sql";

// Tables grow at their ends; ids, which come in no order, have no index: each new run would touch a page of it of its own. A page that fills up is
// written with each transaction, and copied into the file the more rarely the longer the journal may grow. In kB, and in pages of 4 kB.
constexpr const char* kRoom = "PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 8000";

constexpr int kApplicationId = 0x506c6d70;  // "Plmp"
constexpr int kBusyMilliseconds = 20'000;   // a reader's or checkpoint's lock passes in far less

std::filesystem::path ledger_file(const std::filesystem::path& folder) { return folder / "ledger.sqlite"; }

int pragma(SQLite::Database& db, const std::string& name) { return db.execAndGet("PRAGMA " + name).getInt(); }

void sync_folder(const std::filesystem::path& folder) {
  const int handle = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return;
  fsync(handle);
  close(handle);
}

void create_tables(SQLite::Database& db, const std::filesystem::path& folder) {
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  db.exec(kTables);
  db.exec("INSERT INTO meta VALUES ('written_by', 'palimpsest " PALIMPSEST_VERSION "', seal('written_by', 'palimpsest " PALIMPSEST_VERSION "'))");
  db.exec(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kLedgerVersion));
  transaction.commit();
  sync_folder(folder);
}

std::string writer(SQLite::Database& db) {
  try {
    return db.execAndGet("SELECT value FROM meta WHERE key = 'written_by'").getString();
  } catch (const SQLite::Exception&) {
    return "its name is not where this program looks for it";
  }
}

void check_version(SQLite::Database& db) {
  if (pragma(db, "application_id") != kApplicationId)
    throw FormatError("is an SQLite file but no ledger of palimpsest. Name another folder.");
  const int version = pragma(db, "user_version");
  if (version != kLedgerVersion)
    throw FormatError(fmt::format("written by version {} of the ledger's format, this program reads version {}. Use the program "
                                  "that wrote it ({}), or name another folder.",
                                  version, kLedgerVersion, writer(db)));
}

// A new file is empty until its tables are committed, together with their version: a crash in between leaves an empty file, not a half.
bool is_new(SQLite::Database& db) { return db.execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 0; }

SQLite::Database opened_for_reading(const std::filesystem::path& folder) {
  const auto file = ledger_file(folder);
  try {
    SQLite::Database db(file.string(), SQLite::OPEN_READONLY, kBusyMilliseconds);
    pragma(db, "user_version");  // what tells whether it can be read
    return db;
  } catch (const SQLite::Exception& error) {
    // A write-ahead log needs a writable folder even to read, unless nothing of it is left to take over.
    if (error.getErrorCode() == SQLITE_NOTADB || std::filesystem::exists(file.string() + "-wal")) throw;
    return SQLite::Database(uri_of(file, "immutable=1"), SQLite::OPEN_READONLY | SQLite::OPEN_URI, kBusyMilliseconds);
  }
}

}  // namespace

std::string uri_of(const std::filesystem::path& file, const std::string& query) {
  std::string escaped;
  for (char c : std::filesystem::absolute(file).string()) escaped += c == '?' || c == '#' || c == '%' ? fmt::format("%{:02x}", c) : std::string(1, c);
  return "file:" + escaped + "?" + query;
}

void make_tables(SQLite::Database& db) { db.exec(kTables); }

// Whoever writes does so from one thread at a time, so nothing is locked; and nobody asks how much memory SQLite takes, which it counts under a lock.
SQLite::Database open_ledger_for_writing(const std::filesystem::path& folder) {
  [[maybe_unused]] static const int once = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);   // refused where SQLite is in use already
  const auto file = ledger_file(folder);
  return guarded(file, [&] {
    SQLite::Database db(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_URI | SQLite::OPEN_NOMUTEX, kBusyMilliseconds);
    db.exec(journal_for(file_system_type(folder)));
    db.exec("PRAGMA foreign_keys = ON");
    db.exec(kRoom);
    know_seals(db);
    if (is_new(db)) create_tables(db, folder);
    check_version(db);
    return db;
  });
}

SQLite::Database open_ledger_for_reading(const std::filesystem::path& folder) {
  const auto file = ledger_file(folder);
  if (!std::filesystem::exists(file))
    throw InputError(fmt::format("{}: no sweep's results are here (there is no ledger.sqlite). Name the folder given to "
                                 "`palimpsest sweep ... --out`.",
                                 folder.string()));
  return guarded(file, [&] {
    SQLite::Database db = opened_for_reading(folder);
    know_seals(db);
    db.exec("PRAGMA cache_size = -64000");   // kB: what is read by the ids of runs lies anywhere
    db.exec("BEGIN");  // one state of the ledger, however much is committed meanwhile
    if (is_new(db))
      throw FormatError("the sweep that made it was stopped before it wrote anything. Run `palimpsest sweep` again.");
    check_version(db);
    return db;
  });
}

void throw_for(const std::filesystem::path& file, const SQLite::Exception& error) {
  const int extended = error.getExtendedErrorCode();
  switch (error.getErrorCode()) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw InputError(fmt::format("{}: is damaged, or no ledger: {}. `palimpsest ledger check {}` says what is wrong, "
                                   "`palimpsest ledger salvage` saves what is whole.",
                                   file.string(), error.what(), file.parent_path().string()));
    case SQLITE_FULL:
      throw Interrupted(fmt::format("{}: the disk is full. What was committed is safe; make room and run the same command again.",
                                    file.string()));
    case SQLITE_IOERR:
      throw Interrupted(fmt::format("{}: the disk failed or is full: {} (SQLite {}). Run the same command again when it is well.",
                                    file.string(), error.what(), extended));
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      throw InputError(fmt::format("{}: cannot be opened or written to: {}. Make it writable, or name another folder.",
                                   file.string(), error.what()));
    case SQLITE_BUSY:
      throw Interrupted(fmt::format("{}: another program keeps it locked. Close it and run the same command again.", file.string()));
    default:
      throw InputError(fmt::format("{}: {} (SQLite {}).", file.string(), error.what(), extended));
  }
}

}  // namespace palimpsest
