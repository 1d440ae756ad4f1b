#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <memory>
#include <vector>

#include "sweeps/ledger.h"

namespace palimpsest {

/// Runs of a pack that were handed out for the first time, by number of the plan, and have no row yet.
struct FreshPack {
  Attempt attempt;                   // of each of them, but for the run
  std::int64_t epoch = 0;
  std::vector<std::int64_t> numbers;
};

/// Puts entries into the tables, within transactions of the caller. It keeps what it prepared and looked up from one to the next, so after one
/// that was rolled back it must be made anew.
class LedgerWriter {
 public:
  /// `plan`: called where a run has no row yet; what it gives must outlive this.
  LedgerWriter(SQLite::Database&, std::int64_t epoch, std::function<const Plan&()> plan);
  ~LedgerWriter();
  void write(const LedgerEntry&);
  void finish();                     // writes what still waits for more like it: before the transaction is committed
  /// Gives these runs rows, with an attempt that has no outcome.
  void lay_out(const FreshPack&);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace palimpsest
