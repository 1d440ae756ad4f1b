#include <fmt/core.h>

#include "sweeps/ledger_schema.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

// What of `slice` is not in `main` yet. Rows are found again by what makes them one: a run's id, a metric's name, a shape's axes.
// What was read whole is sealed anew, since rows have other numbers here.
constexpr const char* kCopy[] = {
    "INSERT INTO meta SELECT * FROM slice.meta WHERE true ON CONFLICT (key) DO UPDATE SET value = value || ' ' || excluded.value WHERE key IN ('slice', 'asked')",
    "INSERT INTO sessions SELECT epoch + (SELECT epochs FROM before), started, provenance FROM slice.sessions",
    "INSERT OR IGNORE INTO settings (json, seal) SELECT json, 0 FROM slice.settings",
    "INSERT OR IGNORE INTO inputs (json, seal) SELECT json, 0 FROM slice.inputs",
    "INSERT OR IGNORE INTO metrics (name, seal) SELECT name, 0 FROM slice.metrics",
    "INSERT OR IGNORE INTO shapes (axes, seal) SELECT axes, 0 FROM slice.shapes",
    "INSERT INTO claims SELECT * FROM slice.claims WHERE true ON CONFLICT (hash) DO UPDATE SET exploratory = max(exploratory, excluded.exploratory), "
    "position = min(position, excluded.position)",
    "UPDATE main.runs SET asked = x.asked FROM slice.runs x WHERE x.id = main.runs.id AND x.asked > main.runs.asked",
    "INSERT INTO runs (id, settings, seed, image_set, method, inputs, asked, state, attempts, reason, host, device, started, finished, seconds, results, seal) "
    "SELECT r.id, m.id, seed, image_set, method, mi.id, asked, state, attempts, reason, host, device, started, finished, seconds, results, 0 "
    "FROM slice.runs r JOIN slice.settings s ON s.id = r.settings JOIN main.settings m ON m.json = s.json "
    "JOIN slice.inputs i ON i.id = r.inputs JOIN main.inputs mi ON mi.json = i.json WHERE true "
    "ON CONFLICT (id) DO UPDATE SET asked = max(asked, excluded.asked), state = excluded.state, attempts = excluded.attempts, reason = excluded.reason, "
    "host = excluded.host, device = excluded.device, started = excluded.started, finished = excluded.finished, seconds = excluded.seconds, "
    "results = excluded.results WHERE state <> 1 AND excluded.state <> 0",
    // Those of a run that is in both are numbered on, and a second result came second; what a copy of a ledger began with is in both already.
    "INSERT INTO attempts SELECT mr.row, row_number() OVER (PARTITION BY mr.row ORDER BY number) + coalesce((SELECT max(a.number) FROM main.attempts a WHERE a.run = mr.row), 0), pack, "
    "epoch + (SELECT epochs FROM before), x.host, x.device, rank, x.started, x.finished, "
    "CASE WHEN outcome = 1 AND EXISTS (SELECT 1 FROM main.attempts a WHERE a.run = mr.row AND a.outcome = 1) THEN 3 ELSE outcome END, x.reason "
    "FROM slice.every_attempt x JOIN slice.runs xr ON xr.row = x.run JOIN main.runs mr ON mr.id = xr.id "
    "WHERE NOT EXISTS (SELECT 1 FROM main.attempts a WHERE a.run = mr.row AND a.host = x.host AND a.device = x.device AND a.rank = x.rank AND a.pack = x.pack AND a.started = x.started)",
    "UPDATE main.runs SET attempts = max(attempts, coalesce((SELECT max(number) FROM main.attempts a WHERE a.run = main.runs.row), 0)) "
    "WHERE id IN (SELECT id FROM slice.runs)",
    "INSERT OR IGNORE INTO measurements SELECT mm.id, mr.row, 1, ms.id, substr(numbers, 1 + (xr.row - x.run) * (length(numbers) / x.runs), length(numbers) / x.runs), 0 "
    "FROM slice.measurements x "
    "JOIN slice.metrics xm ON xm.id = x.metric JOIN main.metrics mm ON mm.name = xm.name "
    "JOIN slice.runs xr ON xr.row BETWEEN x.run AND x.run + x.runs - 1 JOIN main.runs mr ON mr.id = xr.id "
    "JOIN slice.shapes xs ON xs.id = x.shape JOIN main.shapes ms ON ms.axes = xs.axes",
    "INSERT OR IGNORE INTO attachments SELECT mr.row, name, media_type, bytes, 0 FROM slice.attachments x "
    "JOIN slice.runs xr ON xr.row = x.run JOIN main.runs mr ON mr.id = xr.id"};

void check_seals(SQLite::Database& db, const std::filesystem::path& folder) {
  for (const SealedTable& table : sealed_tables())
    if (db.execAndGet("SELECT EXISTS (SELECT 1 FROM slice." + table.name + " WHERE seal IS NOT " + table.seal + ")").getInt() != 0)
      throw FormatError(fmt::format("is damaged: a row of {} is not as it was written. See `palimpsest ledger check {}`.", table.name, folder.string()));
}

void seal_all(SQLite::Database& db) {
  for (const SealedTable& table : sealed_tables()) db.exec("UPDATE main." + table.name + " SET seal = " + table.seal);
}

std::string fact(SQLite::Database& db, const std::string& from, const std::string& key) {
  SQLite::Statement row(db, "SELECT value FROM " + from + ".meta WHERE key = ?");
  row.bind(1, key);
  return row.executeStep() ? row.getColumn(0).getString() : "";
}

void check_same_sweep(SQLite::Database& db, const std::filesystem::path& first, const std::filesystem::path& other) {
  for (const char* key : {"study", "name", "definition"})
    if (fact(db, "main", key) != fact(db, "slice", key))
      throw InputError(fmt::format("{} and {} are not slices of one sweep: they differ in their {}. Report them one by one.", first.string(),
                                   other.string(), key));
}

}  // namespace

SQLite::Database joined_ledgers(const std::vector<std::filesystem::path>& folders) {
  SQLite::Database db(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_URI);
  make_tables(db);
  db.exec("DROP INDEX runs_asked; CREATE UNIQUE INDEX runs_id ON runs (id)");   // runs of several ledgers meet by their ids
  know_seals(db);
  for (const auto& folder : folders) {
    open_ledger_for_reading(folder);   // says what is wrong with it
    const auto file = folder / "ledger.sqlite";
    guarded(file, [&] {
      SQLite::Statement attach(db, "ATTACH DATABASE ? AS slice");
      attach.bind(1, uri_of(file, "mode=ro"));
      attach.exec();
      check_seals(db, folder);
      if (&folder != &folders.front()) check_same_sweep(db, folders.front(), folder);
      SQLite::Transaction all(db);
      db.exec("CREATE TEMP TABLE before AS SELECT coalesce(max(epoch), 0) AS epochs FROM main.sessions");   // sessions of each ledger are counted from 1
      for (const char* statement : kCopy) db.exec(statement);
      db.exec("DROP TABLE temp.before");
      all.commit();
      db.exec("DETACH DATABASE slice");
    });
  }
  seal_all(db);
  return db;
}

}  // namespace palimpsest
