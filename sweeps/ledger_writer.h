#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <memory>

#include "sweeps/ledger.h"

namespace palimpsest {

/// Puts entries into the tables, within transactions of the caller. It keeps what it prepared and looked up from one to the next, so after one
/// that was rolled back it must be made anew.
class LedgerWriter {
 public:
  /// `plan`: called where a run has no row yet; what it gives must outlive this.
  LedgerWriter(SQLite::Database&, std::int64_t epoch, std::function<const Plan&()> plan);
  ~LedgerWriter();
  void write(const LedgerEntry&);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace palimpsest
