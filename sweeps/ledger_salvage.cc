#include <algorithm>

#include <fmt/format.h>
#include <sqlite3.h>

#include "sweeps/ledger.h"
#include "sweeps/ledger_check.h"
#include "sweeps/ledger_lock.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kLeastRow = 16;   // bytes: bounds how many rows are looked for behind a page that cannot be read, where the end is unknown

// A table in the order in which its rows may refer to those before. `order`: its key. `needs`: what must be there of other tables.
struct Table {
  const char* name;
  const char* order;
  const char* needs = "1";
};
constexpr Table kTables[] = {
    {"meta", "key"},
    {"sessions", "rowid"},
    {"settings", "rowid", "json_valid(json)"},   // a bit that changed in where a table begins shows another table's rows, whole ones
    {"inputs", "rowid", "json_valid(json)"},
    {"claims", "hash"},
    {"metrics", "rowid", "NOT json_valid(name)"},
    {"shapes", "rowid", "json_valid(axes)"},
    {"packs", "rowid"},
    {"runs", "rowid", "settings IN (SELECT id FROM main.settings) AND inputs IN (SELECT id FROM main.inputs)"},
    {"attempts", "run, number", "run IN (SELECT row FROM main.runs)"},
    {"measurements", "rowid", "metric IN (SELECT id FROM main.metrics) AND shape IN (SELECT id FROM main.shapes)"},
    {"attachments", "rowid", "run IN (SELECT row FROM main.runs)"}};

std::string seal_of(const std::string& table) {
  for (const SealedTable& one : sealed_tables())
    if (one.name == table) return "seal IS " + one.seal;
  return "1";
}

// Copies a table from the database that is attached as `damaged`, around what cannot be read.
class Copy {
 public:
  Copy(SQLite::Database& db, const Table& table) : db_(db), table_(table), saved_{table.name} {}

  Saved run() {
    const bool numbered = std::string(table_.order) == "rowid";
    if (through("ASC")) return saved_;
    saved_.cut = true;
    through("DESC");
    if (numbered) between();
    return saved_;
  }

 private:
  // Row by row, each by itself, until the end or until one cannot be read. Whether it came to the end.
  bool through(const std::string& direction) {
    try {
      SQLite::Statement rows(db_, fmt::format("SELECT *, ({}) AS whole, ({}) AS fits{} FROM damaged.{} NOT INDEXED ORDER BY {}", seal_of(table_.name), table_.needs,
                                              numbered() ? ", rowid" : "", table_.name, ordered(direction)));
      while (rows.executeStep()) take(rows, direction == "ASC");
      return true;
    } catch (const SQLite::Exception&) {
      return false;
    }
  }

  // What lies between the last row reached from the front and the first reached from behind, number by number.
  void between() {
    const std::int64_t end = last_ > first_ ? last_ : first_ + most_rows();
    SQLite::Statement one(db_, fmt::format("SELECT *, ({}) AS whole, ({}) AS fits, rowid FROM damaged.{} NOT INDEXED WHERE rowid = ?", seal_of(table_.name), table_.needs,
                                           table_.name));
    for (std::int64_t row = first_ + 1; row < end; ++row) {
      one.bind(1, row);
      try {
        if (one.executeStep()) take(one, true);
      } catch (const SQLite::Exception&) {   // on a page that cannot be read
      }
      one.tryReset();
    }
  }

  // A row takes more than that.
  std::int64_t most_rows() { return db_.execAndGet("PRAGMA damaged.page_count").getInt64() * db_.execAndGet("PRAGMA damaged.page_size").getInt64() / kLeastRow; }

  void take(SQLite::Statement& row, bool forwards) {
    const int extra = numbered() ? 3 : 2, columns = row.getColumnCount() - extra;
    if (numbered()) {
      const std::int64_t number = row.getColumn(columns + 2).getInt64();
      if (forwards) first_ = std::max(first_, number);
      else last_ = number;
    }
    if (row.getColumn(columns).getInt() == 0 || row.getColumn(columns + 1).getInt() == 0 || !insert(row, columns)) ++saved_.damaged;
  }

  // False where the row breaks a rule of its table. One that is there already came from the other side.
  bool insert(SQLite::Statement& row, int columns) {
    try {
      std::string places;
      for (int i = 0; i < columns; ++i) places += places.empty() ? "?" : ",?";
      SQLite::Statement put(db_, fmt::format("INSERT OR IGNORE INTO main.{} VALUES ({})", table_.name, places));
      for (int i = 0; i < columns; ++i) sqlite3_bind(put, i + 1, row.getColumn(i));
      saved_.rows += put.exec();
      return true;
    } catch (const SQLite::Exception&) {
      return false;
    }
  }

  static void sqlite3_bind(SQLite::Statement& put, int place, const SQLite::Column& value) {
    if (value.isInteger()) put.bind(place, value.getInt64());
    else if (value.isFloat()) put.bind(place, value.getDouble());
    else if (value.isText()) put.bind(place, value.getString());
    else if (value.isBlob()) put.bind(place, value.getBlob(), value.getBytes());
    else put.bind(place);
  }

  bool numbered() const { return std::string(table_.order) == "rowid"; }
  std::string ordered(const std::string& direction) const {
    return direction == "ASC" ? std::string(table_.order) : std::string(table_.order) == "run, number" ? "run DESC, number DESC" : std::string(table_.order) + " DESC";
  }

  SQLite::Database& db_;
  const Table& table_;
  Saved saved_;
  std::int64_t first_ = 0, last_ = 0;
};

// Runs of a row of measurements that are not all done each get a row of their own, or none.
void keep_measurements_of_those_done(SQLite::Database& db) {
  db.exec("CREATE TEMP TABLE mixed AS SELECT * FROM main.measurements AS m WHERE runs <> (SELECT count(*) FROM main.runs WHERE row BETWEEN m.run AND m.run + m.runs - 1 AND state = 1);"
          "DELETE FROM main.measurements WHERE (metric, run) IN (SELECT metric, run FROM temp.mixed);"
          "INSERT INTO main.measurements SELECT metric, row, 1, shape, part, seal(metric, row, 1, shape, part) FROM (SELECT metric, row, shape, "
          "substr(numbers, 1 + (row - run) * (length(numbers) / mixed.runs), length(numbers) / mixed.runs) AS part "
          "FROM temp.mixed JOIN main.runs ON row BETWEEN run AND run + mixed.runs - 1 WHERE state = 1);"
          "DROP TABLE temp.mixed");
}

// Runs whose results are not all whole wait again; what of them is there goes.
std::int64_t wait_again(SQLite::Database& db) {
  const std::string wanting = "state = 1 AND results <> " + std::string(kMeasurementsOfRun);
  const auto count = db.execAndGet(fmt::format("SELECT count(*) FROM main.runs WHERE {}", wanting)).getInt64();
  db.exec(fmt::format("INSERT OR IGNORE INTO main.attempts SELECT * FROM main.every_attempt WHERE run IN (SELECT row FROM main.runs WHERE {})", wanting));
  db.exec(fmt::format("UPDATE main.runs SET state = 0, results = 0, first = 0, seal = {} WHERE {}", seal_of_run({{"state", "0"}, {"results", "0"}, {"first", "0"}}), wanting));
  db.exec("DELETE FROM main.attachments WHERE run IN (SELECT row FROM main.runs WHERE state <> 1)");
  keep_measurements_of_those_done(db);
  return count;
}

// The numbers of runs count in a plan that is made from the definition and what runs read. Where these are lost the ledger asks for nothing, until the
// sweep goes on.
void ask_for_nothing_without_plan(SQLite::Database& db) {
  if (db.execAndGet("SELECT count(*) FROM main.meta WHERE key IN ('definition', 'inputs')").getInt() < 2) db.exec("DELETE FROM main.meta WHERE key IN ('plan', 'asked')");
}

// What is told of no longer, and sessions that attempts tell of: of those nothing more is known.
void put_right_beside(SQLite::Database& db) {
  db.exec("DELETE FROM main.metrics WHERE id NOT IN (SELECT metric FROM main.measurements);"
          "DELETE FROM main.meta WHERE key = 'claims' AND CAST(value AS INTEGER) > (SELECT count(*) FROM main.claims);"
          "INSERT OR IGNORE INTO main.sessions SELECT DISTINCT epoch, 0, '{}' FROM main.every_attempt");
}

void attach(SQLite::Database& db, const std::filesystem::path& file) {
  try {
    SQLite::Statement statement(db, "ATTACH DATABASE ? AS damaged");
    statement.bind(1, uri_of(file, "mode=ro"));
    statement.exec();
    db.execAndGet("SELECT count(*) FROM damaged.sqlite_master");
  } catch (const SQLite::Exception& error) {
    throw InputError(fmt::format("{}: its first page, which tells where everything is, cannot be read ({}): nothing can be saved. Put a copy of it back, or sweep anew.",
                                 file.string(), error.what()));
  }
}

Salvage copy_all(SQLite::Database& db) {
  Salvage salvage;
  SQLite::Transaction all(db);
  db.exec("DELETE FROM main.meta");
  for (const Table& table : kTables) salvage.tables.push_back(Copy(db, table).run());
  // A pack's run without a row is in flight. Where rows were lost it may be one of theirs, which no worker was lost with.
  if (std::ranges::any_of(salvage.tables, [](const Saved& one) { return one.table == "runs" && (one.damaged > 0 || one.cut); })) forget_flights(db);
  ask_for_nothing_without_plan(db);
  db.exec("UPDATE main.runs SET first = 0, seal = " + seal_of_run({{"first", "0"}}) + " WHERE first NOT IN (SELECT row FROM main.packs) AND first <> 0");   // its pack is lost
  salvage.run_again = wait_again(db);
  put_right_beside(db);
  salvage.runs = db.execAndGet("SELECT count(*) FROM main.runs").getInt64();
  salvage.done = db.execAndGet("SELECT count(*) FROM main.runs WHERE state = 1").getInt64();
  all.commit();
  return salvage;
}

}  // namespace

Salvage salvage_ledger(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto file = from / "ledger.sqlite";
  refuse_without_ledger(from);
  if (std::filesystem::exists(to / "ledger.sqlite")) throw InputError(fmt::format("{}: there is a ledger already. Name another folder.", to.string()));
  const LedgerLock lock(to, 0);
  try {
    SQLite::Database db = open_ledger_for_writing(to);
    return guarded(file, [&] {
      attach(db, file);
      try {
        return copy_all(db);
      } catch (const SQLite::Exception& error) {
        if (error.getErrorCode() == SQLITE_FULL) throw_for(to / "ledger.sqlite", error);   // what has no room is the new one
        throw;
      }
    });
  } catch (...) {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(to / ("ledger.sqlite" + std::string(end)));
    throw;
  }
}

}  // namespace palimpsest
