#include "sweeps/ledger_writer.h"

#include <fmt/core.h>

#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <unordered_map>

#include "sweeps/ledger_json.h"
#include "sweeps/ledger_state.h"
#include "sweeps/ledger_statement.h"
#include "sweeps/plan.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

std::vector<std::byte> little_endian(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto bits = std::bit_cast<std::uint32_t>(values[i]);
    if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap32(bits);
    std::memcpy(bytes.data() + i * sizeof bits, &bits, sizeof bits);
  }
  return bytes;
}

void bind_blob(SQLite::Statement& statement, int place, const std::vector<std::byte>& bytes) {
  statement.bindNoCopy(place, bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

/// What the row of a run says that is handed out for the first time, from its number in the plan.
class NewRuns {
 public:
  struct Fields { std::int64_t settings, inputs, seed, image_set, method; };

  NewRuns(SQLite::Database& db, std::function<const Plan&()> plan) : plan_(std::move(plan)), settings_(db, "settings", "json"), inputs_(db, "inputs", "json") {}

  Fields fields_of(std::int64_t number) {
    const Plan& plan = plan_();
    if (number >= plan.size()) throw FormatError("a run was handed out that is not in its plan");
    const RunPlace place = plan.place_of(number);
    return {row_of(cells_, place.cell, [&] { return settings_(to_json(plan.settings_of(place.cell))); }),
            row_of(read_, static_cast<std::int64_t>(place.inputs), [&] { return inputs_(to_json(plan.inputs().at(place.inputs).hashes)); }),
            place.seed, place.image_set, plan.definition().study->method_version};
  }

 private:
  using Known = std::unordered_map<std::int64_t, std::int64_t>;
  static constexpr std::size_t kMostKnown = 4096;

  template <class Find>
  std::int64_t row_of(Known& known, std::int64_t key, Find find) {
    if (const auto found = known.find(key); found != known.end()) return found->second;
    if (known.size() >= kMostKnown) known.clear();
    return known[key] = find();
  }

  std::function<const Plan&()> plan_;
  Lookup settings_, inputs_;
  Known cells_, read_;   // rows of settings by cell of the plan, of inputs by place
};

struct LedgerWriter::State {
  State(SQLite::Database& db, std::int64_t epoch, std::function<const Plan&()> plan)
      : epoch_(epoch),
        next_row_(db.execAndGet("SELECT coalesce(max(row), 0) + 1 FROM runs").getInt64()),
        new_(db, std::move(plan)),
        row_(db, "SELECT row, state FROM runs WHERE id = ?"),
        make_(db, "INSERT INTO runs (row, id, settings, seed, image_set, method, inputs, asked, attempts, seal) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9," +
                      seal_of_run({{"row", "?1"}, {"id", "?2"}, {"settings", "?3"}, {"seed", "?4"}, {"image_set", "?5"}, {"method", "?6"},
                                   {"inputs", "?7"}, {"asked", "?8"}, {"state", "0"}, {"reason", "''"}, {"host", "''"}, {"device", "''"},
                                   {"started", "0.0"}, {"finished", "0.0"}, {"seconds", "0.0"}, {"results", "0"}}) +
                      ") ON CONFLICT (id) DO NOTHING"),
        start_(db, "INSERT OR IGNORE INTO attempts (run, number, pack, epoch, host, device, rank, started) VALUES (?,?,?,?,?,?,?,?)"),
        count_(db, "UPDATE runs SET attempts = max(attempts, ?) WHERE row = ?"),
        end_(db, "UPDATE attempts SET finished = ?, outcome = ?, reason = ? WHERE run = ? AND number = ?"),
        settle_(db, "UPDATE runs SET state = ?1, reason = ?2, host = ?3, device = ?4, started = ?5, finished = ?6, seconds = ?7, results = ?8, seal = " +
                        seal_of_run({{"state", "?1"}, {"reason", "?2"}, {"host", "?3"}, {"device", "?4"}, {"started", "?5"}, {"finished", "?6"},
                                     {"seconds", "?7"}, {"results", "?8"}}) + " WHERE row = ?9"),
        measure_(db, "INSERT INTO measurements (metric, run, shape, numbers, seal) VALUES (?1,?2,?3,?4,seal(?1,?2,?3,?4))"),
        attach_(db, "INSERT INTO attachments (run, name, media_type, bytes, seal) VALUES (?1,?2,?3,?4,seal(?1,?2,?3,?4))"),
        metric_(db, "metrics", "name"),
        shape_(db, "shapes", "axes") {}

  void write(const LedgerEntry& entry) {
    std::visit([this](const auto& one) { put(one); }, entry);
  }

 private:
  enum Outcome { kDone = 1, kFailed = 2, kDropped = 3 };
  struct Row { std::int64_t number; RunState state; };

  // Runs in flight are known; the others are looked up, and those that are new are made.
  Row row_of(const Attempt& one) {
    if (const auto known = in_flight_.find(one.run); known != in_flight_.end()) return known->second;
    if (const auto row = row_there(one.run)) return *row;
    if (const auto row = new_row(one)) return *row;
    throw FormatError("run " + one.run + " was reported, but the ledger does not know it. Sweep into a new folder.");
  }

  std::optional<Row> row_there(const RunId& id) {
    row_.bind(1, id);
    std::optional<Row> row;
    if (row_.executeStep()) row = Row{row_.getColumn(0).getInt64(), static_cast<RunState>(row_.getColumn(1).getInt())};
    row_.reset();
    return row;
  }

  // Nothing where it has one, or is in no plan.
  std::optional<Row> new_row(const Attempt& one) {
    if (one.place < 0) return std::nullopt;
    const NewRuns::Fields fields = new_.fields_of(one.place);
    const int made = run(make_, next_row_, one.run, fields.settings, fields.seed, fields.image_set, fields.method, fields.inputs, one.place + 1, one.number);
    if (made == 0) return std::nullopt;
    return Row{next_row_++, RunState::kWaiting};
  }

  void put(const AttemptStarted& started) {
    for (const Attempt& one : started.members) {
      const auto made = one.number == 1 ? new_row(one) : std::nullopt;   // mostly it was never handed out before
      const Row row = made ? *made : row_of(one);
      in_flight_[one.run] = row;
      run(start_, row.number, one.number, one.pack, epoch_, one.host, one.device, one.rank, one.started);
      if (!made) run(count_, one.number, row.number);
    }
  }

  void put(const RunSucceeded& entry) {
    const Row row = row_of(entry.attempt);
    if (row.state == RunState::kDone) return end(row, entry.attempt, kDropped, "");
    for (const Measurement& one : entry.result.measurements) put(row, one);
    for (const Attachment& one : entry.result.attachments) put(row, one);
    settle(row, entry.attempt, kDone, "", entry.result.seconds, entry.result.measurements.size());
    end(row, entry.attempt, kDone, "");
  }

  void put(const RunFailed& entry) {
    const Row row = row_of(entry.attempt);
    if (row.state != RunState::kWaiting) return end(row, entry.attempt, kDropped, entry.reason);
    settle(row, entry.attempt, kFailed, entry.reason, entry.attempt.finished - entry.attempt.started, 0);
    end(row, entry.attempt, kFailed, entry.reason);
  }

  void put(const RunQuarantined& entry) {
    const Row row = row_of(entry.attempt);
    if (row.state == RunState::kWaiting) settle(row, entry.attempt, kInQuarantine, entry.reason, entry.attempt.finished - entry.attempt.started, 0);
  }

  void put(const AttemptsEnded& ended) {
    for (const Attempt& one : ended.members) end(row_of(one), one, static_cast<int>(ended.how), "");
  }

  void put(const Row& row, const Measurement& measurement) {
    const auto bytes = little_endian(measurement.values);
    bind_blob(measure_, 4, bytes);
    run(measure_, metric_(measurement.metric), row.number, shape_of(measurement));
  }

  // Most runs measure what the one before did.
  std::int64_t shape_of(const Measurement& measurement) {
    auto& [axes, shape] = last_shapes_[measurement.metric];
    if (shape == 0 || axes != measurement.axes) axes = measurement.axes, shape = shape_(to_json(axes));
    return shape;
  }

  void put(const Row& row, const Attachment& attachment) {
    bind_blob(attach_, 4, attachment.bytes);
    run(attach_, row.number, attachment.name, attachment.media_type);
  }

  void settle(const Row& row, const Attempt& attempt, int state, const std::string& reason, double seconds, std::size_t results) {
    run(settle_, state, reason, attempt.host, attempt.device, attempt.started, attempt.finished, seconds, static_cast<std::int64_t>(results), row.number);
    in_flight_.erase(attempt.run);
  }

  void end(const Row& row, const Attempt& attempt, int outcome, const std::string& reason) {
    run(end_, attempt.finished, outcome, reason, row.number, attempt.number);
  }

  std::int64_t epoch_, next_row_;
  NewRuns new_;
  SQLite::Statement row_, make_, start_, count_, end_, settle_, measure_, attach_;
  Lookup metric_, shape_;
  std::unordered_map<RunId, Row> in_flight_;
  std::map<std::string, std::pair<std::vector<Axis>, std::int64_t>> last_shapes_;   // by metric
};

LedgerWriter::LedgerWriter(SQLite::Database& db, std::int64_t epoch, std::function<const Plan&()> plan)
    : state_(std::make_unique<State>(db, epoch, std::move(plan))) {}
LedgerWriter::~LedgerWriter() = default;
void LedgerWriter::write(const LedgerEntry& entry) { state_->write(entry); }

}  // namespace palimpsest
