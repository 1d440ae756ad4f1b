#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>

#include "sweeps/ledger.h"
#include "sweeps/ledger_lock.h"
#include "sweeps/ledger_writer.h"

namespace palimpsest {

// What ledger.cc (opening, writing) and ledger_read.cc share.
struct Ledger::State {
  std::filesystem::path file;
  std::optional<LedgerLock> lock;  // held while writing
  mutable SQLite::Database db;
  std::int64_t epoch = 0;          // ours, when writing
  std::unique_ptr<LedgerWriter> writer = nullptr;   // once something was written
};

}  // namespace palimpsest
