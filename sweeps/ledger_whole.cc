// Whether what is read of a ledger is all there is. A page that holds what belongs to another, or says that it has fewer rows than it has, loses rows
// of which neither SQLite nor a seal knows.

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <sqlite3.h>

#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"

namespace palimpsest {
namespace {

[[noreturn]] void throw_not_whole(const std::string& what) {
  throw FormatError("is damaged: " + what + ". `palimpsest ledger check` says what else is wrong, `palimpsest ledger salvage` saves what is whole.");
}

/// Rows of runs from which on there is a measurement more (1), or one less (-1), as readers find them: by the index of each metric. Sorted.
std::vector<std::pair<std::int64_t, std::int64_t>> changes_by_row(SQLite::Database& db) {
  std::vector<std::pair<std::int64_t, std::int64_t>> changes;
  SQLite::Statement row(db, "SELECT run, runs FROM measurements WHERE metric = ?");
  for (const auto& [metric, name] : named_metrics(db)) {
    row.reset();
    row.bind(1, metric);
    while (row.executeStep()) {
      const std::int64_t first = row.getColumn(0).getInt64(), runs = row.getColumn(1).getInt64();
      if (first < 1 || runs < 1 || runs > std::numeric_limits<std::int64_t>::max() - first) throw_not_whole("a row of measurements of " + name + " is of runs that there are none of");
      changes.emplace_back(first, 1);
      changes.emplace_back(first + runs, -1);
    }
  }
  std::ranges::sort(changes);
  return changes;
}

}  // namespace

void check_asked(SQLite::Database& db, std::vector<std::int64_t> numbers) {
  std::ranges::sort(numbers);
  if (numbers != numbers_of_rows(db)) throw_not_whole("not all rows of its runs are here, or some are here twice");
}

void Ledger::State::check_all_measured() const {
  const int changes = sqlite3_total_changes(db.getHandle());
  if (measured_after == changes) return;
  const auto by_row = changes_by_row(db);
  auto change = by_row.begin();
  std::int64_t measured = 0;
  SQLite::Statement run(db, "SELECT row, results, id FROM runs WHERE state = 1 ORDER BY row");
  while (run.executeStep()) {
    for (; change != by_row.end() && change->first <= run.getColumn(0).getInt64(); ++change) measured += change->second;
    if (measured != run.getColumn(1).getInt64())
      throw_not_whole(fmt::format("of what run {} measured not all is here", run.getColumn(2).getString()));
  }
  measured_after = changes;
}

}  // namespace palimpsest
