#include "sweeps/ledger_writer.h"

#include <fmt/core.h>

#include <bit>
#include <cstring>
#include <map>
#include <unordered_map>

#include "sweeps/ledger_json.h"
#include "sweeps/ledger_statement.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

constexpr int kInQuarantine = 3;   // state of a run

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

struct LedgerWriter::State {
  State(SQLite::Database& db, std::int64_t epoch)
      : db_(db),
        epoch_(epoch),
        row_(db, "SELECT row, state FROM runs WHERE id = ?"),
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

  // Runs in flight are known; the others are looked up.
  Row row_of(const RunId& id) {
    if (const auto known = in_flight_.find(id); known != in_flight_.end()) return known->second;
    row_.bind(1, id);
    if (!row_.executeStep()) throw FormatError("run " + id + " was reported, but the ledger does not know it. Sweep into a new folder.");
    const Row row{row_.getColumn(0).getInt64(), static_cast<RunState>(row_.getColumn(1).getInt())};
    row_.reset();
    return row;
  }

  void put(const AttemptStarted& started) {
    for (const Attempt& one : started.members) {
      const Row row = in_flight_[one.run] = row_of(one.run);
      run(start_, row.number, one.number, one.pack, epoch_, one.host, one.device, one.rank, one.started);
      run(count_, one.number, row.number);
    }
  }

  void put(const RunSucceeded& entry) {
    const Row row = row_of(entry.attempt.run);
    if (row.state == RunState::kDone) return end(row, entry.attempt, kDropped, "");
    for (const Measurement& one : entry.result.measurements) put(row, one);
    for (const Attachment& one : entry.result.attachments) put(row, one);
    settle(row, entry.attempt, kDone, "", entry.result.seconds, entry.result.measurements.size());
    end(row, entry.attempt, kDone, "");
  }

  void put(const RunFailed& entry) {
    const Row row = row_of(entry.attempt.run);
    if (row.state != RunState::kWaiting) return end(row, entry.attempt, kDropped, entry.reason);
    settle(row, entry.attempt, kFailed, entry.reason, entry.attempt.finished - entry.attempt.started, 0);
    end(row, entry.attempt, kFailed, entry.reason);
  }

  void put(const RunQuarantined& entry) {
    const Row row = row_of(entry.attempt.run);
    if (row.state == RunState::kWaiting) settle(row, entry.attempt, kInQuarantine, entry.reason, entry.attempt.finished - entry.attempt.started, 0);
  }

  void put(const AttemptsEnded& ended) {
    for (const Attempt& one : ended.members) end(row_of(one.run), one, static_cast<int>(ended.how), "");
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

  SQLite::Database& db_;
  std::int64_t epoch_;
  SQLite::Statement row_, start_, count_, end_, settle_, measure_, attach_;
  Lookup metric_, shape_;
  std::unordered_map<RunId, Row> in_flight_;
  std::map<std::string, std::pair<std::vector<Axis>, std::int64_t>> last_shapes_;   // by metric
};

LedgerWriter::LedgerWriter(SQLite::Database& db, std::int64_t epoch) : state_(std::make_unique<State>(db, epoch)) {}
LedgerWriter::~LedgerWriter() = default;
void LedgerWriter::write(const LedgerEntry& entry) { state_->write(entry); }

}  // namespace palimpsest
