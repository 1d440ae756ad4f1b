#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>

#include "sweeps/ledger.h"
#include "sweeps/ledger_lock.h"
#include "sweeps/ledger_writer.h"
#include "sweeps/plan.h"

namespace palimpsest {

// What ledger.cc (opening, writing) and ledger_read.cc share.
struct Ledger::State {
  std::filesystem::path file;
  std::optional<LedgerLock> lock;  // held while writing
  mutable SQLite::Database db;
  std::int64_t epoch = 0;          // ours, when writing
  std::unique_ptr<LedgerWriter> writer = nullptr;   // once something was written
  mutable std::unique_ptr<const Plan> plan = nullptr;   // as it was recorded, once it was asked for
  const Plan& recorded_plan() const;                // ledger_read.cc
};

/// A fact of the sweep by its key; throws FormatError where it is not there.
std::string meta(SQLite::Database&, const std::string& key);

/// Rows of runs; `keys`: of their settings, all where it is none; `only`: the run of this id, sorted by id else.
std::vector<LedgerRun> rows_of_runs(SQLite::Database&, bool all, const std::set<std::string>* keys = nullptr, const RunId* only = nullptr);

}  // namespace palimpsest
