// What runs measured.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <deque>

#include <sqlite3.h>

#include "runtime/crew.h"
#include "runtime/host_cores.h"
#include "runtime/log.h"
#include "sweeps/ledger.h"
#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"

namespace palimpsest {
namespace {

constexpr std::size_t kManyRuns = 2000;   // fewer are read before other threads have opened the file

struct Shape {
  std::vector<Axis> axes;
  std::size_t places = 1;
};

std::map<std::int64_t, Shape> shapes_of(SQLite::Database& db) {
  std::map<std::int64_t, Shape> shapes;
  SQLite::Statement row(db, "SELECT id, axes, seal = seal(id, axes) FROM shapes");
  while (row.executeStep()) {
    check_seal(row, "the axes of measurements");
    Shape& shape = shapes[row.getColumn(0).getInt64()];
    shape.axes = axes_of_json(row.getColumn(1).getString());
    for (const Axis& axis : shape.axes) shape.places *= axis.labels.size();
  }
  return shapes;
}

void put_numbers(const char* bytes, std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
    if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap32(bits);
    values[i] = std::bit_cast<float>(bits);
  }
}

/// What runs measured of one metric, within the rows that they share. Runs are best asked for as their rows lie: it steps from one to the next then.
class Measured {
 public:
  Measured(SQLite::Database& db, const std::map<std::int64_t, Shape>& shapes, std::int64_t metric, std::string name)
      : shapes_(shapes),
        name_(std::move(name)),
        rows_(db, "SELECT run, runs, shape, numbers, seal = seal(metric, run, runs, shape, numbers) FROM measurements WHERE metric = ?1 AND "
                  "run >= (SELECT coalesce(max(run), 0) FROM measurements WHERE metric = ?1 AND run <= ?2) ORDER BY run") {
    rows_.bind(1, metric);
  }

  /// Null where it has none of this metric; good until the next one is asked for.
  const Measurement* of(std::int64_t run) {
    if (run == end_) step();
    if (!holds(run)) seek(run);
    if (!holds(run)) return nullptr;
    if (!measurement_) check();
    put_numbers(numbers_ + static_cast<std::size_t>(run - first_) * measurement_->values.size() * sizeof(float), measurement_->values);
    return measurement_;
  }

 private:
  bool holds(std::int64_t run) const { return first_ <= run && run < end_; }

  void seek(std::int64_t run) {
    rows_.reset();
    rows_.bind(2, run);
    step();
  }

  void step() {
    first_ = end_ = 0;
    measurement_ = nullptr;
    if (rows_.isDone() || !rows_.executeStep()) return;
    first_ = rows_.getColumn(0).getInt64();
    end_ = first_ + rows_.getColumn(1).getInt64();
  }

  // Once a row, and only of a row that is wanted.
  void check() {
    check_seal(rows_, "a row of measurements of " + name_);
    const std::int64_t number = rows_.getColumn(2).getInt64();
    const Shape& shape = found_in(shapes_, number, "shapes");
    if (static_cast<std::size_t>(rows_.getColumn(3).getBytes()) != shape.places * sizeof(float) * static_cast<std::size_t>(end_ - first_))
      throw FormatError("is damaged: a row of " + name_ + " has not as many numbers as its axes.");
    numbers_ = static_cast<const char*>(rows_.getColumn(3).getBlob());
    measurement_ = &by_shape_[number];
    if (measurement_->metric.empty()) *measurement_ = {name_, shape.axes, std::vector<float>(shape.places)};   // names of places are copied once
  }

  const std::map<std::int64_t, Shape>& shapes_;
  std::string name_;
  SQLite::Statement rows_;
  std::int64_t first_ = 0, end_ = 0;       // runs of the row at hand; none where these are equal
  std::map<std::int64_t, Measurement> by_shape_;
  Measurement* measurement_ = nullptr;     // of the row at hand, once it was checked,
  const char* numbers_ = nullptr;          // and where its numbers are
};

/// A metric that is asked for.
struct Wanted {
  std::int64_t metric;
  std::string name;
  const TakeMeasurement* take;
  std::int64_t bytes;   // of one run
};

std::vector<Wanted> wanted_of(SQLite::Database& db, const Takers& takers) {
  std::vector<Wanted> wanted;
  SQLite::Statement bytes(db, "SELECT length(numbers) / runs FROM measurements WHERE metric = ? ORDER BY run LIMIT 1");
  for (const auto& [number, name] : named_metrics(db)) {
    const auto taker = takers.find(name);
    if (taker == takers.end()) continue;
    bytes.reset();
    bytes.bind(1, number);
    wanted.push_back({number, name, &taker->second, bytes.executeStep() ? bytes.getColumn(0).getInt64() : 0});
  }
  return wanted;
}

/// Dealt out so that there is about as much to read of each share, the largest first.
std::vector<std::vector<Wanted>> shares_of(std::vector<Wanted> wanted, std::size_t count) {
  constexpr std::int64_t kRow = 2000;   // what finding a row takes, in bytes that could be read instead
  std::ranges::stable_sort(wanted, std::ranges::greater(), &Wanted::bytes);
  std::vector<std::vector<Wanted>> shares(count);
  std::vector<std::int64_t> weights(count, 0);
  for (Wanted& one : wanted) {
    const auto lightest = static_cast<std::size_t>(std::ranges::min_element(weights) - weights.begin());
    weights[lightest] += one.bytes + kRow;
    shares[lightest].push_back(std::move(one));
  }
  return shares;
}

/// A run's row in the ledger, and its place among those that are asked about.
struct RowOf {
  std::int64_t number, row;
  std::size_t place;
};

// Who reads by another connection may see more than this one; of a run that is done, all do see the same.
std::vector<RowOf> rows_in_order(std::span<const LedgerRun> runs) {
  std::vector<RowOf> rows;
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (runs[i].state == RunState::kDone && runs[i].row > 0) rows.push_back({runs[i].number, runs[i].row, i});
  std::ranges::sort(rows, {}, [](const RowOf& one) { return std::pair(one.number, one.row); });
  return rows;
}

// Whether each run had measured all of these.
bool read_share(SQLite::Database& db, const std::map<std::int64_t, Shape>& shapes, const std::vector<Wanted>& share, const std::vector<RowOf>& rows) {
  std::deque<Measured> measured;
  for (const Wanted& one : share) measured.emplace_back(db, shapes, one.metric, one.name);
  bool all = true;
  for (const RowOf& run : rows)
    for (std::size_t i = 0; i < share.size(); ++i)
      if (const Measurement* found = measured[i].of(run.row)) (*share[i].take)(run.place, *found);
      else all = false;
  return all;
}

}  // namespace

std::vector<std::pair<std::int64_t, std::string>> named_metrics(SQLite::Database& db) {
  std::vector<std::pair<std::int64_t, std::string>> metrics;
  SQLite::Statement row(db, "SELECT id, name, seal = seal(id, name) AND NOT json_valid(name) FROM metrics ORDER BY name");   // a row of settings has such a seal, too
  while (row.executeStep()) check_seal(row, "the name of a metric"), metrics.emplace_back(row.getColumn(0).getInt64(), row.getColumn(1).getString());
  return metrics;
}

// None beside a connection that writes or whose ledger is in memory alone, and none where another file has taken its name: that would have other rows.
std::vector<SQLite::Database> Ledger::State::more_readers(std::size_t most) const {
  std::vector<SQLite::Database> readers;
  const char* name = sqlite3_db_filename(db.getHandle(), "main");
  if (lock || !name || *name == '\0') return readers;
  try {
    while (readers.size() < most) {
      readers.push_back(open_ledger_for_reading(file.parent_path()));
      readers.back().exec("PRAGMA cache_size = -4000");   // kB: it goes through the file once
    }
  } catch (const Error& error) {
    palimpsest::log().debug("{} threads read, no more: {}", readers.size() + 1, error.what());
  }
  int moved = 1;
  sqlite3_file_control(db.getHandle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (moved != 0) readers.clear();
  return readers;
}

void Ledger::for_each_measurement(const std::string& metric, const std::function<void(const RunId&, const Measurement&)>& visit) const {
  guarded(state_->file, [&] {
    const auto names = named_metrics(state_->db);
    const auto named = std::ranges::find(names, metric, &std::pair<std::int64_t, std::string>::second);
    if (named == names.end()) return;
    const auto shapes = shapes_of(state_->db);
    Measured measured(state_->db, shapes, named->first, metric);
    SQLite::Statement run(state_->db, "SELECT id, state FROM runs WHERE row = ? AND asked > 0");
    bool all = true;
    for (const std::int64_t row : state_->rows_by_id()) {
      run.reset();
      run.bind(1, row);
      if (!run.executeStep()) continue;
      if (const Measurement* found = measured.of(row)) visit(run.getColumn(0).getString(), *found);
      else if (run.getColumn(1).getInt() == static_cast<int>(RunState::kDone)) all = false;
    }
    if (!all) state_->check_all_measured();   // it need not have measured this
  });
}

void Ledger::for_each_measurement_of(std::span<const LedgerRun> runs, const Takers& takers) const {
  guarded(state_->file, [&] {
    const auto rows = rows_in_order(runs);
    auto wanted = wanted_of(state_->db, takers);
    std::atomic<bool> all = wanted.size() == takers.size();
    const std::size_t most = rows.size() < kManyRuns ? 1 : std::clamp<std::size_t>(static_cast<std::size_t>(host_cores().usable()), 1, std::max<std::size_t>(1, wanted.size()));
    auto others = state_->more_readers(most - 1);
    const auto shares = shares_of(std::move(wanted), others.size() + 1);
    const auto shapes = shapes_of(state_->db);
    Crew(static_cast<int>(shares.size())).each([&](int reader) {
      const auto number = static_cast<std::size_t>(reader);
      if (!read_share(number == 0 ? state_->db : others[number - 1], shapes, shares[number], rows)) all = false;
    });
    if (!all) state_->check_all_measured();   // they need not have measured that
  });
}

std::vector<Measurement> Ledger::measurements_of(const RunId& run) const {
  return guarded(state_->file, [&] {
    std::vector<Measurement> measurements;
    const auto shapes = shapes_of(state_->db);
    const std::int64_t row = state_->row_of(run).value_or(0);
    for (const auto& [number, name] : named_metrics(state_->db)) {
      Measured measured(state_->db, shapes, number, name);
      if (const Measurement* found = measured.of(row)) measurements.push_back(*found);
    }
    return measurements;
  });
}

}  // namespace palimpsest
