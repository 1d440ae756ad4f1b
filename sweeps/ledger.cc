#include "sweeps/ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "runtime/clock.h"
#include "runtime/crash_point.h"
#include "runtime/log.h"
#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"
#include "sweeps/ledger_statement.h"
#include "sweeps/plan.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

std::int64_t highest_epoch(SQLite::Database& db) {
  return db.execAndGet("SELECT coalesce(max(epoch), 0) FROM sessions").getInt64();
}

std::int64_t begin_session(SQLite::Database& db) {
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  const std::int64_t epoch = highest_epoch(db) + 1;
  SQLite::Statement insert(db, "INSERT INTO sessions VALUES (?, ?, '{}')");
  run(insert, epoch, unix_time());
  transaction.commit();
  return epoch;
}

// One transaction that only the newest coordinator gets through.
template <class Work>
void in_transaction(const std::filesystem::path& file, SQLite::Database& db, std::int64_t epoch, Work work) {
  guarded(file, [&] {
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    if (highest_epoch(db) != epoch)
      throw LedgerHeld(fmt::format("{}: another coordinator took this sweep over; this one ends. Nothing is lost.", file.string()));
    work();
    transaction.commit();
  });
}

void set_meta(SQLite::Database& db, const std::string& key, const std::string& value) {
  SQLite::Statement statement(db, "INSERT OR REPLACE INTO meta VALUES (?1, ?2, seal(?1, ?2))");
  run(statement, key, value);
}

void check_same_study(SQLite::Database& db, const Definition& definition) {
  SQLite::Statement study(db, "SELECT value FROM meta WHERE key = 'study'");
  if (study.executeStep() && study.getColumn(0).getString() != definition.study->name)
    throw FormatError(fmt::format("holds results of the study \"{}\", and {} asks for \"{}\". Name another folder.",
                                 study.getColumn(0).getString(), definition.file.string(), definition.study->name));
}

std::string text(const Slice& slice) { return fmt::format("{}/{}", slice.number, slice.of); }

void check_same_slice(SQLite::Database& db, const Slice& asked) {
  SQLite::Statement known(db, "SELECT value FROM meta WHERE key = 'slice'");
  if (asked == Slice() || !known.executeStep() || known.getColumn(0).getString() == text(asked)) return;
  const std::string held = known.getColumn(0).getString();
  throw FormatError(fmt::format("holds {} of the sweep, and slice {} was asked for, which would leave its runs out. Name a folder for each slice: report "
                                "and export take all of them and read them as one.",
                                held == text({}) ? "all" : "slice " + held, text(asked)));
}

std::int64_t runs_done(SQLite::Database& db) { return db.execAndGet("SELECT count(*) FROM runs WHERE state = 1").getInt64(); }

// One entry a session: [epoch, units asked for, runs done by then].
void put_units(SQLite::Database& db, std::int64_t epoch, std::int64_t units) {
  SQLite::Statement known(db, "SELECT value FROM meta WHERE key = 'units'");
  auto sessions = known.executeStep() ? units_of_json(known.getColumn(0).getString()) : std::vector<SessionUnits>();
  known.reset();
  if (!sessions.empty() && sessions.back()[0] == epoch) return;
  sessions.push_back({epoch, units, runs_done(db)});
  set_meta(db, "units", to_json(sessions));
}

void put_facts(SQLite::Database& db, const Definition& definition, std::int64_t epoch,
               const std::map<std::string, std::string>& provenance) {
  const std::vector<std::string> axes = swept_keys(definition);
  set_meta(db, "study", definition.study->name);
  set_meta(db, "name", definition.name);
  set_meta(db, "definition", resolved_toml(definition));
  set_meta(db, "axes", to_json(axes));
  put_units(db, epoch, definition.study->unit == "seed" ? definition.seeds : definition.image_sets);
  SQLite::Statement session(db, "UPDATE sessions SET provenance = ? WHERE epoch = ?");
  run(session, to_json(provenance), epoch);
}

// Whether no path is another, or is swept.
bool same_places(const Plan& before, const Plan& plan) {
  const Definition &was = before.definition(), &is = plan.definition();
  return std::ranges::all_of(is.base.values(), [&](const auto& one) {
    const auto& [key, value] = one;
    return !names_a_place(*is.study, key) || (was.base.has(key) && was.base.at(key) == value && !axis_of(was, key) && !axis_of(is, key));
  });
}

// Rows of settings under the paths of the plan as it is now: what lies there is the same, and a report groups runs by them.
class MovedSettings {
 public:
  /// `before`: as in RowNumbers.
  MovedSettings(SQLite::Database& db, const Plan* before, const Plan& plan) : plan_(plan), at_their_places_(before && same_places(*before, plan)), rows_(db), row_of_(db, "settings", "json") {}

  std::int64_t moved(std::int64_t row, std::int64_t number, bool was_asked) {
    if (was_asked && at_their_places_) return row;
    const auto [known, is_new] = known_.try_emplace({row, plan_.cell_of(number)}, row);
    if (is_new) known->second = moved_in_cell(row, plan_.place_of(number).cell);
    return known->second;
  }

 private:
  std::int64_t moved_in_cell(std::int64_t row, std::int64_t cell) {
    const Settings was = rows_.at(row), now = plan_.settings_of(cell);
    Settings moved = was;
    for (const auto& [key, value] : now.values())
      if (names_a_place(*plan_.definition().study, key) && was.has(key)) moved.set(key, value);
    return moved == was ? row : row_of_(to_json(moved));
  }

  const Plan& plan_;
  const bool at_their_places_;   // the runs that were asked for
  SettingsRows rows_;
  Lookup row_of_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> known_;   // by row and cell
};

// Runs that have a row, under their number and paths in the plan as it is now. Settings are read once for all rows that share them.
void number_rows(SQLite::Database& db, const Plan* before, const Plan& plan, const RunSet& asked) {
  struct Change { std::int64_t row, asked, settings; };
  RowNumbers numbers(db, before, plan);
  MovedSettings settings(db, before, plan);
  SQLite::Statement rows(db, "SELECT row, id, settings, image_set, seed, asked FROM runs");
  std::vector<Change> changed;
  while (rows.executeStep()) {
    const std::int64_t was = rows.getColumn(2).getInt64();
    const auto number = numbers.of(rows.getColumn(1).getString(), rows.getColumn(5).getInt64(), was, rows.getColumn(3).getInt64(), rows.getColumn(4).getInt64());
    const Change now{rows.getColumn(0).getInt64(), number && asked.contains(*number) ? *number + 1 : 0, number ? settings.moved(was, *number, rows.getColumn(5).getInt64() > 0) : was};
    if (now.asked != rows.getColumn(5).getInt64() || now.settings != was) changed.push_back(now);
  }
  SQLite::Statement leave(db, "UPDATE runs SET asked = 0 WHERE row = ?");   // first all of them: a number is given once
  for (const Change& one : changed) run(leave, one.row);
  SQLite::Statement change(db, "UPDATE runs SET asked = ?2, settings = ?3, seal = " + seal_of_run({{"asked", "?2"}, {"settings", "?3"}}) + " WHERE row = ?1");
  for (const Change& one : changed) run(change, one.row, one.asked, one.settings);
}

bool is_fact(SQLite::Database& db, const std::string& key, const std::optional<std::string>& value = std::nullopt) {
  SQLite::Statement known(db, "SELECT 1 FROM meta WHERE key = ?1 AND value = ifnull(?2, value) AND seal = seal(key, value)");
  known.bind(1, key);
  if (value) known.bind(2, *value);
  return known.executeStep();
}

bool is_recorded(SQLite::Database& db, const Plan& plan) { return is_fact(db, "plan", plan.fingerprint()) && is_fact(db, "inputs"); }

// Where nothing changed, no row is looked at. What a salvaged ledger may lack is written anew.
void put_runs(SQLite::Database& db, bool same, const Plan* before, const Plan& plan, const RunSet& asked) {
  const std::string numbers = asked.text();
  if (same && is_fact(db, "asked", numbers)) return;
  if (!same) {
    set_meta(db, "inputs", plan.inputs().text());
    set_meta(db, "plan", plan.fingerprint());
  }
  set_meta(db, "asked", numbers);
  number_rows(db, before, plan, asked);
}

void put_claims(SQLite::Database& db, const std::vector<Claim>& claims) {
  const bool late = runs_done(db) > 0;
  // One that was not there when results came in is exploratory, also where it had been there before.
  const std::string exploratory = "max(exploratory, position = -1 AND ?4)", gone = late ? "iif(exploratory OR position = -1, -1, -2)" : "min(position, -1)";
  SQLite::Statement insert(db, "INSERT INTO claims VALUES (?1, ?2, ?3, ?4, seal(?1, ?2, ?3, ?4)) ON CONFLICT (hash) DO UPDATE SET position = ?2, json = ?3, "
                               "exploratory = " + exploratory + ", seal = " + seal_of_claim({{"position", "?2"}, {"json", "?3"}, {"exploratory", exploratory}}));
  db.exec("UPDATE claims SET position = " + gone + ", seal = " + seal_of_claim({{"position", gone}}));
  for (std::size_t i = 0; i < claims.size(); ++i)
    run(insert, claims[i].hash, static_cast<std::int64_t>(i), to_json(claims[i]), late ? 1 : 0);
  set_meta(db, "claims", db.execAndGet("SELECT count(*) FROM claims").getString());
}

}  // namespace

// What was handed out under the plan as it was gets rows before numbers mean other runs. A plan that cannot be made any more leaves it at that: these
// runs wait as if nobody had had them.
void Ledger::State::lay_out_fresh_packs() {
  const auto packs = fresh_packs(db, /*last=*/false);
  if (!packs.empty()) try {
      recorded_plan();
      LedgerWriter left(db, epoch, [this]() -> const Plan& { return recorded_plan(); });
      for (const FreshPack& pack : packs) left.lay_out(pack);
    } catch (const InputError& error) {
      log().warn("what became of runs that were handed out before is not known: {}", error.what());
    }
  forget_flights(db);
  plan.reset();
}

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger::~Ledger() = default;

Ledger Ledger::open_for_writing(const std::filesystem::path& folder, double patience) {
  LedgerLock lock(folder, patience);
  SQLite::Database db = open_ledger_for_writing(folder);
  const auto file = folder / "ledger.sqlite";
  const std::int64_t epoch = guarded(file, [&] { return begin_session(db); });
  crash_point("session-begun");
  return Ledger(std::unique_ptr<State>(new State{file, std::move(lock), std::move(db), epoch}));
}

Ledger Ledger::open_for_reading(const std::filesystem::path& folder) {
  return Ledger(std::unique_ptr<State>(new State{folder / "ledger.sqlite", std::nullopt, open_ledger_for_reading(folder), 0}));
}

Ledger Ledger::open_for_reading(const std::vector<std::filesystem::path>& folders) {
  if (folders.size() == 1) return open_for_reading(folders.front());
  return Ledger(std::unique_ptr<State>(new State{folders.front() / "ledger.sqlite", std::nullopt, joined_ledgers(folders), 0}));
}

bool Ledger::held(const std::filesystem::path& folder) { return LedgerLock::held(folder); }

void Ledger::record_definition(const Plan& plan, const RunSet& asked, const std::map<std::string, std::string>& provenance, Slice slice) {
  SQLite::Database& db = state_->db;
  state_->writer.reset();
  state_->plan.reset();
  in_transaction(state_->file, db, state_->epoch, [&] {
    check_same_study(db, plan.definition());
    check_same_slice(db, slice);
    state_->lay_out_fresh_packs();
    const bool same = is_recorded(db, plan);
    const Plan* before = same ? &plan : state_->plan_of_rows();
    set_meta(db, "slice", text(slice));
    put_facts(db, plan.definition(), state_->epoch, provenance);
    put_claims(db, plan.definition().claims);
    put_runs(db, same, before, plan, asked);
    crash_point("before-record");
  });
  state_->plan = std::make_unique<const Plan>(plan);
  crash_point("after-record");
}

void Ledger::commit(std::span<const LedgerEntry> entries) {
  if (!state_->writer) state_->writer = std::make_unique<LedgerWriter>(state_->db, state_->epoch, [state = state_.get()]() -> const Plan& { return state->recorded_plan(); });
  try {
    in_transaction(state_->file, state_->db, state_->epoch, [&] {
      for (const LedgerEntry& entry : entries) state_->writer->write(entry);
      state_->writer->finish();
      crash_point("before-commit");
    });
  } catch (...) {
    state_->writer.reset();
    throw;
  }
}

void Ledger::retry_failed() {
  in_transaction(state_->file, state_->db, state_->epoch, [&] {
    state_->db.exec("INSERT OR IGNORE INTO attempts SELECT * FROM every_attempt WHERE run IN (SELECT row FROM runs WHERE state = 2 AND asked > 0 AND first > 0)");
    state_->db.exec("UPDATE runs SET state = 0, first = 0, seal = " + seal_of_run({{"state", "0"}, {"first", "0"}}) + " WHERE state = 2 AND asked > 0");
  });
}

void Ledger::retry_quarantined() {
  in_transaction(state_->file, state_->db, state_->epoch, [&] {
    state_->db.exec("UPDATE attempts SET outcome = 4 WHERE outcome = 5 AND run IN (SELECT row FROM runs WHERE state = 3 AND asked > 0)");
    state_->db.exec("UPDATE runs SET state = 0, seal = " + seal_of_run({{"state", "0"}}) + " WHERE state = 3 AND asked > 0");
  });
}

void Ledger::quarantine(const RunId& id, const std::string& reason) {
  in_transaction(state_->file, state_->db, state_->epoch, [&] {
    SQLite::Statement statement(state_->db, "UPDATE runs SET state = 3, reason = ?1, seal = " + seal_of_run({{"state", "3"}, {"reason", "?1"}}) +
                                               " WHERE id = ?2 AND state = 0");
    run(statement, reason, id);
  });
}

void Ledger::end_left_attempts() {
  in_transaction(state_->file, state_->db, state_->epoch, [&] {
    SQLite::Statement left(state_->db,
                           "UPDATE attempts SET outcome = CASE WHEN rank = 0 OR epoch IN (SELECT epoch FROM attempts WHERE outcome = 6) THEN 5 ELSE 4 END "
                           "WHERE outcome = 0 AND epoch < ?");
    run(left, state_->epoch);
  });
}

}  // namespace palimpsest
