#include <algorithm>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <sqlite3.h>

#include "sweeps/ledger.h"
#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"
#include "sweeps/plan.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

// By number: names are looked up anew in each row.
enum ColumnOfRun { kRow, kId, kSettings, kSeed, kImageSet, kAsked, kState, kAttempts, kReason, kHost, kDevice, kStarted, kFinished, kSeconds };
constexpr const char* kColumnsOfRun = "row, id, settings, seed, image_set, asked, state, attempts, reason, host, device, started, finished, seconds";

LedgerRun run_of(const SQLite::Statement& row, const Settings& settings) {
  LedgerRun run;
  run.spec = {row.getColumn(kId).getString(), settings, row.getColumn(kSeed).getInt64(), row.getColumn(kImageSet).getInt64()};
  const int state = row.getColumn(kState).getInt();
  run.quarantined = state == kInQuarantine;
  run.state = run.quarantined ? RunState::kFailed : static_cast<RunState>(state);
  run.attempts = row.getColumn(kAttempts).getInt();
  run.reason = row.getColumn(kReason).getString();
  run.host = row.getColumn(kHost).getString();
  run.device = row.getColumn(kDevice).getString();
  run.started = row.getColumn(kStarted).getDouble();
  run.finished = row.getColumn(kFinished).getDouble();
  run.seconds = row.getColumn(kSeconds).getDouble();
  run.number = row.getColumn(kAsked).getInt64() - 1;
  run.asked = run.number >= 0;
  run.row = row.getColumn(kRow).getInt64();
  return run;
}

using SettingsById = std::map<std::int64_t, Settings>;

SettingsById every_setting(SQLite::Database& db) {
  SettingsById settings;
  SQLite::Statement one(db, "SELECT id, json, seal = seal(id, json) FROM settings");
  while (one.executeStep()) check_seal(one, "a row of settings"), settings.emplace(one.getColumn(0).getInt64(), settings_of_json(one.getColumn(1).getString()));
  return settings;
}

Settings with_keys(const Settings& settings, const std::set<std::string>& keys) {
  Settings out;
  for (const std::string& key : keys)
    if (settings.has(key)) out.set(key, settings.at(key));
  return out;
}

}  // namespace

std::vector<LedgerRun> rows_of_runs(SQLite::Database& db, bool all, const std::set<std::string>* keys, const RunId* only) {
  auto settings = every_setting(db);
  if (keys)
    for (auto& [id, one] : settings) one = with_keys(one, *keys);
  std::vector<LedgerRun> runs;
  std::vector<std::int64_t> asked;
  SQLite::Statement row(db, fmt::format("SELECT {}, seal = {} FROM runs {}", kColumnsOfRun, seal_of_run(), only ? "WHERE id = ?" : "ORDER BY id"));
  if (only) row.bind(1, *only);
  while (row.executeStep()) {
    check_seal(row, "the row of run " + row.getColumn(kId).getString());
    const std::int64_t place = row.getColumn(kAsked).getInt64();
    if (place != 0) asked.push_back(place - 1);
    if (all || place != 0) runs.push_back(run_of(row, found_in(settings, row.getColumn(kSettings).getInt64(), "settings")));
  }
  if (!only) check_asked(db, std::move(asked));
  return runs;
}

namespace {

// With the runs of these numbers, which wait; sorted by id again.
std::vector<LedgerRun> with_those_left(std::vector<LedgerRun> runs, const Plan& plan, const RunSet& left, const std::set<std::string>* keys) {
  if (left.empty()) return runs;
  RunMaker maker(plan);
  for (const std::int64_t number : left.numbers()) {
    RunSpec made = maker.run_at(number);
    LedgerRun run;
    run.spec = {std::move(made.id), keys ? with_keys(made.settings, *keys) : std::move(made.settings), made.seed, made.image_set};
    run.number = number;
    runs.push_back(std::move(run));
  }
  std::ranges::sort(runs, {}, [](const LedgerRun& run) -> const RunId& { return run.spec.id; });
  return runs;
}

RunSet run_set(const std::string& text) {
  try {
    return RunSet::of_text(text);
  } catch (const std::invalid_argument& error) {
    throw FormatError(fmt::format("is damaged: what it says of runs that are asked for or handed out is {}", error.what()));
  }
}

// "0:1:0-9 1:2:0-4": several where ledgers were joined; none where there is no definition yet.
RunSet asked_of(SQLite::Database& db) {
  std::istringstream words(meta_where_known(db, "asked").value_or(""));
  std::vector<RunSet> sets;
  for (std::string word; words >> word;) sets.push_back(run_set(word));
  if (sets.size() == 1) return sets.front();
  std::vector<std::int64_t> all;
  for (const RunSet& set : sets)
    for (const std::int64_t number : set.numbers()) all.push_back(number);
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return RunSet(all);
}

}  // namespace

Settings SettingsRows::at(std::int64_t row) {
  json_.reset();
  json_.bind(1, row);
  if (!json_.executeStep()) throw FormatError("is damaged: a row of settings that others name is not there. See `palimpsest ledger check`.");
  return settings_of_json(json_.getColumn(0).getString());
}

RowNumbers::RowNumbers(SQLite::Database& db, const Plan* before, const Plan& plan) : before_(before), finder_(plan), settings_(db) {
  if (before && before != &plan) common_.emplace(*before, plan);
}

std::optional<std::int64_t> RowNumbers::of(const RunId& id, std::int64_t asked, std::int64_t settings, std::int64_t image_set, std::int64_t seed) {
  if (before_ && asked > 0 && asked <= before_->size()) return common_ ? common_->number_of(asked - 1) : asked - 1;
  return finder_.number_of(id, settings, [&] { return settings_.at(settings); }, image_set, seed);
}

std::vector<std::int64_t> numbers_of_rows(SQLite::Database& db) {
  std::vector<std::int64_t> numbers;
  SQLite::Statement row(db, "SELECT asked - 1 FROM runs WHERE asked > 0");
  while (row.executeStep()) numbers.push_back(row.getColumn(0).getInt64());
  std::ranges::sort(numbers);
  return numbers;
}

std::vector<FreshPack> fresh_packs(SQLite::Database& db, bool last) {
  std::vector<FreshPack> packs;
  std::vector<std::int64_t> known;
  SQLite::Statement row(db, "SELECT pack, host, device, rank, started, epoch, runs, seal = " + seal_of_pack() +
                                " FROM packs WHERE runs <> ''" + std::string(last ? " AND epoch = (SELECT max(epoch) FROM sessions)" : "") + " ORDER BY pack");
  while (row.executeStep()) {
    check_seal(row, "the row of pack " + row.getColumn(0).getString());
    if (packs.empty() && known.empty()) known = numbers_of_rows(db);
    FreshPack pack{{"", 1, row.getColumn(0).getInt64(), row.getColumn(1).getString(), row.getColumn(2).getString(), row.getColumn(3).getInt(), row.getColumn(4).getDouble(), 0},
                   row.getColumn(5).getInt64(), {}};
    for (const std::int64_t number : run_set(row.getColumn(6).getString()).numbers())
      if (!std::ranges::binary_search(known, number)) pack.numbers.push_back(number);
    if (!pack.numbers.empty()) packs.push_back(std::move(pack));
  }
  return packs;
}

void forget_flights(SQLite::Database& db) {
  db.exec("UPDATE main.packs SET runs = '', seal = " + seal_of_pack({{"runs", "''"}}) + " WHERE runs <> ''");
}

const std::vector<std::int64_t>& Ledger::State::rows_by_id() const {
  const int changes = sqlite3_total_changes(db.getHandle());
  if (sorted_after == changes) return sorted_rows;
  sorted_rows.clear();
  SQLite::Statement row(db, "SELECT row FROM runs ORDER BY id");
  while (row.executeStep()) sorted_rows.push_back(row.getColumn(0).getInt64());
  sorted_after = changes;
  return sorted_rows;
}

std::optional<std::int64_t> Ledger::State::row_of(const RunId& id) const {
  SQLite::Statement of(db, "SELECT id FROM runs WHERE row = ?");
  const auto id_at = [&](std::int64_t row) {
    of.reset();
    of.bind(1, row);
    return of.executeStep() ? of.getColumn(0).getString() : RunId();
  };
  const auto& rows = rows_by_id();
  const auto found = std::ranges::lower_bound(rows, id, {}, id_at);
  if (found == rows.end() || id_at(*found) != id) return std::nullopt;
  return *found;
}

const Plan& Ledger::State::recorded_plan() const {
  if (!plan)
    plan = guarded(file, [&] {
      auto made = std::make_unique<const Plan>(read_definition_text(meta(db, "definition"), file.parent_path() / "resolved.toml"),
                                               RecordedInputs::of_text(meta(db, "inputs")));
      if (const RunSet asked = asked_of(db); !asked.empty() && asked.nth(asked.size() - 1) >= made->size())
        throw FormatError("is damaged: it asks for runs that its plan does not have. See `palimpsest ledger check`.");
      return made;
    });
  return *plan;
}

// One that this program would make otherwise does not say what is what.
const Plan* Ledger::State::plan_of_rows() const {
  try {
    return meta_where_known(db, "plan") == recorded_plan().fingerprint() ? plan.get() : nullptr;
  } catch (const InputError&) {
    return nullptr;
  }
}

const Plan& Ledger::plan() const { return state_->recorded_plan(); }

RunSet Ledger::asked() const {
  return guarded(state_->file, [&] { return asked_of(state_->db); });
}

RunSet Ledger::without_row() const {
  const RunSet asked = this->asked();
  return guarded(state_->file, [&] { return asked.without(numbers_of_rows(state_->db)); });
}

std::vector<LedgerRun> Ledger::runs_handed_out(bool all) const {
  return guarded(state_->file, [&] { return rows_of_runs(state_->db, all); });
}

std::vector<LedgerRun> Ledger::runs(bool all) const {
  const RunSet left = without_row();
  return left.empty() ? runs_handed_out(all) : with_those_left(runs_handed_out(all), plan(), left, nullptr);
}

std::vector<LedgerRun> Ledger::runs_with(const std::set<std::string>& keys, bool all) const {
  const RunSet left = without_row();
  auto runs = guarded(state_->file, [&] { return rows_of_runs(state_->db, all, &keys); });
  return left.empty() ? runs : with_those_left(std::move(runs), plan(), left, &keys);
}

void Ledger::for_each_row(const Plan& plan, const std::function<void(const RunRow&)>& visit) const {
  const bool same = state_->plan.get() == &plan || guarded(state_->file, [&] { return meta_where_known(state_->db, "plan") == plan.fingerprint(); });
  guarded(state_->file, [&] {
    RowNumbers numbers(state_->db, same ? &plan : state_->plan_of_rows(), plan);
    std::vector<std::int64_t> asked;
    SQLite::Statement row(state_->db, "SELECT id, asked, state, attempts, seconds, settings, image_set, seed, seal = " + seal_of_run() + " FROM runs");
    while (row.executeStep()) {
      check_seal(row, "the row of run " + row.getColumn(0).getString());
      const int state = row.getColumn(2).getInt();
      RunRow run{row.getColumn(0).getString(), row.getColumn(1).getInt64() - 1, row.getColumn(1).getInt64() > 0, static_cast<RunState>(std::min(state, kInQuarantine - 1)), state == kInQuarantine,
                 row.getColumn(3).getInt(), row.getColumn(4).getDouble()};
      if (run.was_asked) asked.push_back(run.number);
      run.number = numbers.of(run.id, row.getColumn(1).getInt64(), row.getColumn(5).getInt64(), row.getColumn(6).getInt64(), row.getColumn(7).getInt64()).value_or(-1);
      visit(run);
    }
    check_asked(state_->db, std::move(asked));
  });
}

}  // namespace palimpsest
