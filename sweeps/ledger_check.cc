#include "sweeps/ledger_check.h"

#include <fmt/format.h>

#include "sweeps/ledger.h"
#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/plan.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

constexpr int kFindingsOfAKind = 10;

class Check {
 public:
  Check(const std::filesystem::path& folder, LedgerHealth& health) : folder_(folder), db_(open_ledger_for_reading(folder)), health_(health) {}

  void look() {
    guarded_look("its pages", [this] { look_at_pages(); });
    guarded_look("references between rows", [this] { look_at_references(); });
    for (const SealedTable& table : sealed_tables()) guarded_look(table.name, [&] { look_at_seals(table); });
    for (const Invariant& one : kInvariants) guarded_look(one.what, [&] { look_at(one); });
    guarded_look("ids of runs", [this] { look_at_ids(); });
    guarded_look("measurements", [this] { look_at_shapes(); });
    guarded_look("claims", [this] { look_at_claims(); });
    guarded_look("counts", [this] { count(); });
  }

 private:
  // A query that gives the rows of which `what` is wrong, by a name in its first column.
  struct Invariant {
    const char* what;
    std::string rows;
  };
  static inline const Invariant kInvariants[] = {
      {"run {} is in a state that there is none of", "SELECT id FROM runs WHERE state NOT IN (0, 1, 2, 3) OR asked < 0 OR attempts < 0"},
      {"run {} has two rows", "SELECT id FROM runs GROUP BY id HAVING count(*) > 1"},
      {"run {} is done, but not all its measurements are here",
       "SELECT id FROM runs WHERE state = 1 AND results <> " + std::string(kMeasurementsOfRun)},
      {"run {} is not done, but has measurements",
       "SELECT id FROM runs WHERE state <> 1 AND 0 < " + std::string(kMeasurementsOfRun)},
      {"measurements of the run in row {} and those after it are of runs that are not there",
       "SELECT run FROM measurements AS m WHERE runs < 1 OR runs <> (SELECT count(*) FROM runs WHERE row BETWEEN m.run AND m.run + m.runs - 1)"},
      {"run {} has two measurements of a metric",
       "SELECT id FROM (SELECT run, run + runs AS end, lead(run) OVER (PARTITION BY metric ORDER BY run) AS next FROM measurements) JOIN runs ON row = next WHERE end > next"},
      {"run {} has an attempt that was never given out, or one in a state that there is none of",
       "SELECT id FROM every_attempt JOIN runs ON row = run WHERE number > runs.attempts OR number < 1 OR outcome NOT BETWEEN 0 AND 6"},
      {"run {} has an attempt of a session that is not here",
       "SELECT id FROM every_attempt JOIN runs ON row = run WHERE epoch NOT IN (SELECT epoch FROM sessions)"},
      {"run {} was handed out with a pack that is not here", "SELECT id FROM runs WHERE first <> 0 AND first NOT IN (SELECT row FROM packs)"},
      {"{} claims were recorded, and they are not all here", "SELECT value FROM meta WHERE key = 'claims' AND CAST(value AS INTEGER) > (SELECT count(*) FROM claims)"},
      {"the fact {} is not here", "SELECT column1 FROM (VALUES ('study'), ('name'), ('definition'), ('axes'), ('plan'), ('inputs'), ('asked')) WHERE EXISTS (SELECT 1 FROM runs) AND "
                                  "column1 NOT IN (SELECT key FROM meta)"}};

  template <class Look>
  void guarded_look(const std::string& where, Look look) {
    try {
      look();
    } catch (const std::exception& error) {
      health_.findings.push_back(fmt::format("{} cannot be read: {}", where.find('{') == std::string::npos ? where : "rows", error.what()));
    }
  }

  // Every row of `rows` is a finding; many of a kind are counted.
  void find(SQLite::Statement& rows, const std::string& what) {
    int found = 0;
    while (rows.executeStep())
      if (++found <= kFindingsOfAKind) health_.findings.push_back(fmt::format(fmt::runtime(what), rows.getColumn(0).getString()));
    if (found > kFindingsOfAKind) health_.findings.push_back(fmt::format("... and {} more of this kind", found - kFindingsOfAKind));
  }

  void look_at_pages() {
    SQLite::Statement rows(db_, "PRAGMA integrity_check(100)");
    while (rows.executeStep())
      if (const std::string text = rows.getColumn(0).getString(); text != "ok") health_.findings.push_back("SQLite: " + text);
  }

  void look_at_references() {
    SQLite::Statement rows(db_, "SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' names a row of ' || parent FROM pragma_foreign_key_check");
    find(rows, "{} that is not there");
  }

  void look_at_seals(const SealedTable& table) {
    SQLite::Statement rows(db_, fmt::format("SELECT {} FROM {} WHERE seal IS NOT {}",
                                            table.name == "meta" ? "key" : table.name == "claims" ? "json" : table.name == "runs" ? "id" : "rowid", table.name, table.seal));
    find(rows, table.name + ": the row of {} is not as it was written");
  }

  void look_at(const Invariant& one) {
    SQLite::Statement rows(db_, one.rows);
    find(rows, one.what);
  }

  // The id of a run is the hash of what it resolves to: it tells whether any of that changed.
  void look_at_ids() {
    SQLite::Statement fact(db_, "SELECT value FROM meta WHERE key = 'study'");
    const Study* known = fact.executeStep() ? find_study(fact.getColumn(0).getString()) : nullptr;
    if (!known) return;   // another program's study: the seals have told
    SQLite::Statement row(db_, "SELECT runs.id, settings.json, seed, image_set, method, inputs.json FROM runs JOIN settings ON settings.id = settings "
                               "JOIN inputs ON inputs.id = inputs ORDER BY settings, inputs");
    Study study = *known;
    std::string of_settings, of_inputs;
    Settings settings;
    Inputs inputs;
    int found = 0;
    while (row.executeStep()) {
      if (const std::string json = row.getColumn(1).getString(); json != of_settings) settings = settings_of_json(json), of_settings = json;
      if (const std::string json = row.getColumn(5).getString(); json != of_inputs) inputs.hashes = words_of_json(json), of_inputs = json;
      study.method_version = row.getColumn(4).getInt();
      if (run_id(study, settings, row.getColumn(2).getInt64(), row.getColumn(3).getInt64(), inputs) != row.getColumn(0).getString() && ++found <= kFindingsOfAKind)
        health_.findings.push_back(fmt::format("run {} resolves to something else than its id says", row.getColumn(0).getString()));
    }
  }

  void look_at_shapes() {
    SQLite::Statement shape(db_, "SELECT shapes.id, axes, min(length(numbers) / runs), max(length(numbers) / runs), sum(length(numbers) % runs) FROM shapes JOIN measurements ON shape = shapes.id GROUP BY shapes.id");
    while (shape.executeStep()) {
      std::int64_t bytes = sizeof(float);
      for (const Axis& axis : axes_of_json(shape.getColumn(1).getString())) bytes *= static_cast<std::int64_t>(axis.labels.size());
      if (shape.getColumn(2).getInt64() != bytes || shape.getColumn(3).getInt64() != bytes || shape.getColumn(4).getInt64() != 0)
        health_.findings.push_back(fmt::format("measurements of shape {} have not as many numbers as its axes", shape.getColumn(0).getInt64()));
    }
  }

  void look_at_claims() {
    SQLite::Statement row(db_, "SELECT hash, json FROM claims");
    while (row.executeStep())
      if (const Claim claim = claim_of_json(row.getColumn(1).getString()); claim.hash != row.getColumn(0).getString() || claim_hash(claim) != claim.hash)
        health_.findings.push_back(fmt::format("the claim \"{}\" says something else than its hash", claim.name));
  }

  void count() {
    health_.runs = db_.execAndGet("SELECT count(*) FROM runs").getInt64();
    if (db_.execAndGet("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'asked')").getInt() != 0)
      health_.runs += Ledger::open_for_reading(folder_).without_row().size();
    health_.done = db_.execAndGet("SELECT count(*) FROM runs WHERE state = 1").getInt64();
    health_.measurements = db_.execAndGet("SELECT coalesce(sum(runs), 0) FROM measurements").getInt64();
  }

  std::filesystem::path folder_;
  SQLite::Database db_;
  LedgerHealth& health_;
};

bool holds_no_table(const std::filesystem::path& file) {
  try {
    return SQLite::Database(file.string(), SQLite::OPEN_READONLY).execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 0;
  } catch (const SQLite::Exception&) {
    return false;
  }
}

}  // namespace

void refuse_without_ledger(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / "ledger.sqlite") || holds_no_table(folder / "ledger.sqlite")) open_ledger_for_reading(folder);   // says so
}

LedgerHealth check_ledger(const std::filesystem::path& folder) {
  refuse_without_ledger(folder);
  LedgerHealth health;
  try {
    Check(folder, health).look();
  } catch (const std::exception& error) {
    health.findings.push_back(error.what());
  }
  return health;
}

}  // namespace palimpsest
