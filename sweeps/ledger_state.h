#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>

#include "sweeps/common_runs.h"
#include "sweeps/ledger.h"
#include "sweeps/ledger_lock.h"
#include "sweeps/ledger_writer.h"
#include "sweeps/plan.h"

namespace palimpsest {

// What the files of the ledger share.
struct Ledger::State {
  std::filesystem::path file;
  std::optional<LedgerLock> lock;  // held while writing
  mutable SQLite::Database db;
  std::int64_t epoch = 0;          // ours, when writing
  std::unique_ptr<LedgerWriter> writer = nullptr;   // once something was written
  mutable std::unique_ptr<const Plan> plan = nullptr;   // as it was recorded, once it was asked for
  const Plan& recorded_plan() const;                // ledger_runs.cc
  const Plan* plan_of_rows() const;                 // the same, where it can be made and is what rows are numbered by; else null
  void lay_out_fresh_packs();                       // ledger.cc; within a transaction
  std::optional<std::int64_t> row_of(const RunId&) const;
  const std::vector<std::int64_t>& rows_by_id() const;   // of all runs that have one, sorted by id
  bool any_attachment() const;                      // ledger_read.cc
  std::vector<SQLite::Database> more_readers(std::size_t most) const;   // ledger_measurements.cc
  void check_all_measured() const;                  // ledger_whole.cc: throws FormatError where a run that is done lacks a measurement
  mutable std::vector<std::int64_t> sorted_rows = {};    // what rows_by_id gave,
  mutable std::optional<int> sorted_after = {};          // after so many changes by this connection
  mutable std::optional<std::pair<int, bool>> attachments_after = {};   // the same of any_attachment,
  mutable std::optional<int> measured_after = {};        // and when check_all_measured found all there
};

constexpr int kInQuarantine = 3;   // state of a run in its row, beside those of RunState

/// Throws FormatError where the last column of a row does not say that its seal is the row's.
void check_seal(const SQLite::Statement& row, const std::string& what);

/// Throws FormatError where these, the numbers of all rows of runs that are asked for, are not those that their index has.
void check_asked(SQLite::Database&, std::vector<std::int64_t> numbers);

/// A fact of the sweep by its key; nothing where it is not there.
std::optional<std::string> meta_where_known(SQLite::Database&, const std::string& key);
/// A fact of the sweep by its key; throws FormatError where it is not there.
std::string meta(SQLite::Database&, const std::string& key);

/// The row of this number among `rows` of `table`; throws FormatError where it is not there.
template <class Found>
const auto& found_in(const std::map<std::int64_t, Found>& rows, std::int64_t number, const char* table) {
  const auto row = rows.find(number);
  if (row == rows.end()) throw FormatError(std::string("is damaged: a row of ") + table + " that others name is not there. See `palimpsest ledger check`.");
  return row->second;
}

/// Numbers and names of the metrics, by name.
std::vector<std::pair<std::int64_t, std::string>> named_metrics(SQLite::Database&);

/// Rows of settings, one by one.
class SettingsRows {
 public:
  explicit SettingsRows(SQLite::Database& db) : json_(db, "SELECT json FROM settings WHERE id = ?") {}
  Settings at(std::int64_t row);   // throws FormatError where it is not there

 private:
  SQLite::Statement json_;
};

/// Numbers in a plan of runs that have a row.
class RowNumbers {
 public:
  /// `before`: the plan by which rows are numbered so far; null: it is not known.
  RowNumbers(SQLite::Database&, const Plan* before, const Plan&);
  /// What the row says of the run: its id, its place in the plan so far (from 1; 0: none), the row of its settings.
  std::optional<std::int64_t> of(const RunId&, std::int64_t asked, std::int64_t settings, std::int64_t image_set, std::int64_t seed);

 private:
  const Plan* before_;
  std::optional<CommonRuns> common_;
  RunFinder finder_;                 // of those that have no place
  SettingsRows settings_;
};

/// Numbers of the plan whose runs have a row, ascending.
std::vector<std::int64_t> numbers_of_rows(SQLite::Database&);
/// Packs of which some runs have no row yet; `last`: those of the last session alone.
std::vector<FreshPack> fresh_packs(SQLite::Database&, bool last);
/// What packs say of runs that have no row is no longer so.
void forget_flights(SQLite::Database&);

/// Rows of runs; `keys`: of their settings, all where it is none; `only`: the run of this id, sorted by id else.
std::vector<LedgerRun> rows_of_runs(SQLite::Database&, bool all, const std::set<std::string>* keys = nullptr, const RunId* only = nullptr);

}  // namespace palimpsest
