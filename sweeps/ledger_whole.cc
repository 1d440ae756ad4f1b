// Whether what is read of a ledger is all there is. A page that holds what belongs to another, or says that it has fewer rows than it has, loses rows
// of which neither SQLite nor a seal knows.

#include <algorithm>

#include <fmt/format.h>
#include <sqlite3.h>

#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"

namespace palimpsest {
namespace {

[[noreturn]] void throw_not_whole(const std::string& what) {
  throw FormatError("is damaged: " + what + ". `palimpsest ledger check` says what else is wrong, `palimpsest ledger salvage` saves what is whole.");
}

/// How many measurements there are of each row of runs, as readers find them: by the index of each metric.
std::vector<std::int64_t> measurements_by_row(SQLite::Database& db) {
  const std::int64_t last = std::max<std::int64_t>(0, db.execAndGet("SELECT coalesce(max(row), 0) FROM runs").getInt64());
  std::vector<std::int64_t> counts(static_cast<std::size_t>(last) + 2, 0);   // where rows of measurements begin and end, and then their sum
  SQLite::Statement row(db, "SELECT run, runs FROM measurements WHERE metric = ?");
  for (const auto& [metric, name] : named_metrics(db)) {
    row.reset();
    row.bind(1, metric);
    while (row.executeStep()) {
      const std::int64_t first = row.getColumn(0).getInt64(), runs = row.getColumn(1).getInt64();
      if (first < 1 || runs < 1 || runs > last - first + 1) throw_not_whole("a row of measurements of " + name + " is of runs that are not there");
      ++counts[static_cast<std::size_t>(first)];
      --counts[static_cast<std::size_t>(first + runs)];
    }
  }
  for (std::size_t i = 1; i < counts.size(); ++i) counts[i] += counts[i - 1];
  return counts;
}

}  // namespace

void check_asked(SQLite::Database& db, std::vector<std::int64_t> numbers) {
  std::ranges::sort(numbers);
  if (numbers != numbers_of_rows(db)) throw_not_whole("not all rows of its runs are here, or some are here twice");
}

void Ledger::State::check_all_measured() const {
  const int changes = sqlite3_total_changes(db.getHandle());
  if (measured_after == changes) return;
  const auto counts = measurements_by_row(db);
  SQLite::Statement run(db, "SELECT row, results, id FROM runs WHERE state = 1");
  while (run.executeStep())
    if (counts.at(static_cast<std::size_t>(std::max<std::int64_t>(0, run.getColumn(0).getInt64()))) != run.getColumn(1).getInt64())
      throw_not_whole(fmt::format("run {} measured {}, and they are not all here", run.getColumn(2).getString(), run.getColumn(1).getInt64()));
  measured_after = changes;
}

}  // namespace palimpsest
