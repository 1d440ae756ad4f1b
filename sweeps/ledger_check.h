#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace palimpsest {

/// What a look at every page and row of a ledger came to.
struct LedgerHealth {
  std::vector<std::string> findings;   // a sentence each; empty: it is whole
  std::int64_t runs = 0, done = 0, measurements = 0;
};

/// Looks for damage: SQLite's own structure (integrity_check, foreign keys), the seal of every row, each run's id computed anew from what the
/// ledger says it resolves to, and what must hold between rows: a run that is done has all its measurements and one that is not has none.
/// Never writes; throws InputError only where there is no ledger, or an empty one.
LedgerHealth check_ledger(const std::filesystem::path& folder);

/// Throws InputError where there is no ledger, or an empty one: the sweep that made it was stopped before it wrote anything, which is no damage.
void refuse_without_ledger(const std::filesystem::path& folder);

/// What of one table was saved.
struct Saved {
  std::string table;
  std::int64_t rows = 0;               // copied
  std::int64_t damaged = 0;            // found, but not as they were written, or in want of a row that is
  bool cut = false;                    // pages of it could not be read: how many rows they held is not known
};

struct Salvage {
  std::vector<Saved> tables;
  std::int64_t runs = 0, done = 0;
  std::int64_t run_again = 0;          // runs that were done, but not all of their results are whole: they wait again
};

/// Copies every row that is whole into a new ledger in `to`, where none may be. A claim that is lost comes back as exploratory by the next
/// `sweep`, and runs that are lost come back as waiting. Throws InputError where nothing can be read, or `to` has a ledger.
Salvage salvage_ledger(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace palimpsest
