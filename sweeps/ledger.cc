#include "sweeps/ledger.h"

#include <fmt/core.h>

#include <bit>
#include <chrono>
#include <cstring>

#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"

namespace palimpsest {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// Binds in order, runs, and makes the statement ready for its next row.
template <class... Values>
int run(SQLite::Statement& statement, const Values&... values) {
  int place = 0;
  (statement.bind(++place, values), ...);
  const int changed = statement.exec();
  statement.reset();
  statement.clearBindings();
  return changed;
}

// The row number of a text in a table of distinct texts.
class Lookup {
 public:
  Lookup(SQLite::Database& db, const char* table, const char* column)
      : insert_(db, fmt::format("INSERT OR IGNORE INTO {} ({}) VALUES (?)", table, column)),
        select_(db, fmt::format("SELECT id FROM {} WHERE {} = ?", table, column)) {}

  std::int64_t operator()(const std::string& text) {
    if (const auto known = known_.find(text); known != known_.end()) return known->second;
    run(insert_, text);
    select_.bind(1, text);
    select_.executeStep();
    const std::int64_t id = select_.getColumn(0).getInt64();
    select_.reset();
    return known_[text] = id;
  }

 private:
  SQLite::Statement insert_, select_;
  std::map<std::string, std::int64_t> known_;
};

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

// Puts entries into the tables, within a transaction of the caller.
class Writer {
 public:
  Writer(SQLite::Database& db, std::int64_t epoch)
      : db_(db),
        epoch_(epoch),
        row_(db, "SELECT row, state FROM runs WHERE id = ?"),
        start_(db, "INSERT OR IGNORE INTO attempts (run, number, pack, epoch, host, device, rank, started) VALUES (?,?,?,?,?,?,?,?)"),
        count_(db, "UPDATE runs SET attempts = max(attempts, ?) WHERE row = ?"),
        end_(db, "UPDATE attempts SET finished = ?, outcome = ?, reason = ? WHERE run = ? AND number = ?"),
        settle_(db, "UPDATE runs SET state = ?, reason = ?, host = ?, device = ?, started = ?, finished = ?, seconds = ? WHERE row = ?"),
        measure_(db, "INSERT INTO measurements (metric, run, shape, numbers) VALUES (?,?,?,?)"),
        attach_(db, "INSERT INTO attachments (run, name, media_type, bytes) VALUES (?,?,?,?)"),
        metric_(db, "metrics", "name"),
        shape_(db, "shapes", "axes") {}

  void write(const LedgerEntry& entry) {
    std::visit([this](const auto& one) { put(one); }, entry);
  }

 private:
  enum Outcome { kNone, kDone, kFailed, kDropped };
  struct Row { std::int64_t number; RunState state; };

  Row row_of(const RunId& id) {
    row_.bind(1, id);
    if (!row_.executeStep()) throw FormatError("run " + id + " was reported, but the ledger does not know it. Sweep into a new folder.");
    const Row row{row_.getColumn(0).getInt64(), static_cast<RunState>(row_.getColumn(1).getInt())};
    row_.reset();
    return row;
  }

  void put(const AttemptStarted& started) {
    for (const Attempt& one : started.members) {
      const Row row = row_of(one.run);
      run(start_, row.number, one.number, one.pack, epoch_, one.host, one.device, one.rank, one.started);
      run(count_, one.number, row.number);
    }
  }

  void put(const RunSucceeded& entry) {
    const Row row = row_of(entry.attempt.run);
    if (row.state == RunState::kDone) return end(row, entry.attempt, kDropped, "");
    for (const Measurement& one : entry.result.measurements) put(row, one);
    for (const Attachment& one : entry.result.attachments) put(row, one);
    settle(row, entry.attempt, RunState::kDone, "", entry.result.seconds);
    end(row, entry.attempt, kDone, "");
  }

  void put(const RunFailed& entry) {
    const Row row = row_of(entry.attempt.run);
    if (row.state != RunState::kWaiting) return end(row, entry.attempt, kDropped, entry.reason);
    settle(row, entry.attempt, RunState::kFailed, entry.reason, entry.attempt.finished - entry.attempt.started);
    end(row, entry.attempt, kFailed, entry.reason);
  }

  void put(const Row& row, const Measurement& measurement) {
    const auto bytes = little_endian(measurement.values);
    bind_blob(measure_, 4, bytes);
    run(measure_, metric_(measurement.metric), row.number, shape_(to_json(measurement.axes)));
  }

  void put(const Row& row, const Attachment& attachment) {
    bind_blob(attach_, 4, attachment.bytes);
    run(attach_, row.number, attachment.name, attachment.media_type);
  }

  void settle(const Row& row, const Attempt& attempt, RunState state, const std::string& reason, double seconds) {
    run(settle_, static_cast<int>(state), reason, attempt.host, attempt.device, attempt.started, attempt.finished, seconds, row.number);
  }

  void end(const Row& row, const Attempt& attempt, Outcome outcome, const std::string& reason) {
    run(end_, attempt.finished, static_cast<int>(outcome), reason, row.number, attempt.number);
  }

  SQLite::Database& db_;
  std::int64_t epoch_;
  SQLite::Statement row_, start_, count_, end_, settle_, measure_, attach_;
  Lookup metric_, shape_;
};

std::int64_t highest_epoch(SQLite::Database& db) {
  return db.execAndGet("SELECT coalesce(max(epoch), 0) FROM sessions").getInt64();
}

std::int64_t begin_session(SQLite::Database& db) {
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  const std::int64_t epoch = highest_epoch(db) + 1;
  SQLite::Statement insert(db, "INSERT INTO sessions VALUES (?, ?, '{}')");
  run(insert, epoch, now());
  transaction.commit();
  return epoch;
}

// One transaction that only the newest coordinator gets through.
template <class Work>
void in_transaction(const std::filesystem::path& file, SQLite::Database& db, std::int64_t epoch, Work work) {
  guarded(file, [&] {
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    if (highest_epoch(db) != epoch)
      throw LedgerHeld(fmt::format("{}: another coordinator took this sweep over; this one ends. Nothing is lost.", file.string()));
    work();
    transaction.commit();
  });
}

void set_meta(SQLite::Database& db, const std::string& key, const std::string& value) {
  SQLite::Statement statement(db, "INSERT OR REPLACE INTO meta VALUES (?, ?)");
  run(statement, key, value);
}

void check_same_study(SQLite::Database& db, const Definition& definition) {
  SQLite::Statement study(db, "SELECT value FROM meta WHERE key = 'study'");
  if (study.executeStep() && study.getColumn(0).getString() != definition.study->name)
    throw FormatError(fmt::format("holds results of the study \"{}\", and {} asks for \"{}\". Name another folder.",
                                 study.getColumn(0).getString(), definition.file.string(), definition.study->name));
}

void put_facts(SQLite::Database& db, const Definition& definition, std::int64_t epoch,
               const std::map<std::string, std::string>& provenance) {
  const std::vector<std::string> axes = swept_keys(definition);
  set_meta(db, "study", definition.study->name);
  set_meta(db, "name", definition.name);
  set_meta(db, "definition", resolved_toml(definition));
  set_meta(db, "axes", to_json(axes));
  SQLite::Statement session(db, "UPDATE sessions SET provenance = ? WHERE epoch = ?");
  run(session, to_json(provenance), epoch);
}

void put_runs(SQLite::Database& db, std::span<const RunSpec> runs) {
  Lookup settings(db, "settings", "json");
  SQLite::Statement insert(db,
                           "INSERT INTO runs (id, settings, seed, image_set, asked) VALUES (?, ?, ?, ?, 1) "
                           "ON CONFLICT (id) DO UPDATE SET asked = 1");
  db.exec("UPDATE runs SET asked = 0");
  for (const RunSpec& one : runs) run(insert, one.id, settings(to_json(one.settings)), one.seed, one.image_set);
}

void put_claims(SQLite::Database& db, const std::vector<Claim>& claims) {
  const bool late = db.execAndGet("SELECT EXISTS (SELECT 1 FROM runs WHERE state = 1)").getInt() != 0;
  SQLite::Statement insert(db,
                           "INSERT INTO claims VALUES (?, ?, ?, ?) "
                           "ON CONFLICT (hash) DO UPDATE SET position = excluded.position, json = excluded.json");
  db.exec("UPDATE claims SET position = -1");
  for (std::size_t i = 0; i < claims.size(); ++i)
    run(insert, claims[i].hash, static_cast<std::int64_t>(i), to_json(claims[i]), late ? 1 : 0);
}

}  // namespace

Ledger::Ledger(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger::~Ledger() = default;

Ledger Ledger::open_for_writing(const std::filesystem::path& folder, double patience) {
  LedgerLock lock(folder, patience);
  SQLite::Database db = open_ledger_for_writing(folder);
  const auto file = folder / "ledger.sqlite";
  const std::int64_t epoch = guarded(file, [&] { return begin_session(db); });
  return Ledger(std::unique_ptr<State>(new State{file, std::move(lock), std::move(db), epoch}));
}

Ledger Ledger::open_for_reading(const std::filesystem::path& folder) {
  return Ledger(std::unique_ptr<State>(new State{folder / "ledger.sqlite", std::nullopt, open_ledger_for_reading(folder), 0}));
}

Ledger Ledger::open_for_reading(const std::vector<std::filesystem::path>& folders) {
  if (folders.size() == 1) return open_for_reading(folders.front());
  return Ledger(std::unique_ptr<State>(new State{folders.front() / "ledger.sqlite", std::nullopt, joined_ledgers(folders), 0}));
}

bool Ledger::held(const std::filesystem::path& folder) { return LedgerLock::held(folder); }

void Ledger::record_definition(const Definition& definition, std::span<const RunSpec> runs,
                               const std::map<std::string, std::string>& provenance) {
  SQLite::Database& db = state_->db;
  in_transaction(state_->file, db, state_->epoch, [&] {
    check_same_study(db, definition);
    put_facts(db, definition, state_->epoch, provenance);
    put_claims(db, definition.claims);
    put_runs(db, runs);
  });
}

void Ledger::commit(std::span<const LedgerEntry> entries) {
  in_transaction(state_->file, state_->db, state_->epoch, [&] {
    Writer writer(state_->db, state_->epoch);
    for (const LedgerEntry& entry : entries) writer.write(entry);
  });
}

void Ledger::retry_failed() {
  in_transaction(state_->file, state_->db, state_->epoch,
                 [&] { state_->db.exec("UPDATE runs SET state = 0 WHERE state = 2 AND asked = 1"); });
}

}  // namespace palimpsest
