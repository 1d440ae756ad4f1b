#include "sweeps/ledger_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
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

const std::string kNothing;

// What a row says of the attempt that counts; the words are the entry's.
struct Standing {
  std::int64_t state = 0;
  const std::string &reason = kNothing, &host = kNothing, &device = kNothing;
  double started = 0, finished = 0, seconds = 0;
  std::int64_t results = 0, first = 0;
};
const Standing kWaits;

constexpr std::size_t kNumbersOfBlock = 900;   // a row of so many is read as fast as one of few: all of it is on one page

}  // namespace

/// What the row of a run says that has none yet, from its number in the plan.
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
      : db_(db),
        epoch_(epoch),
        next_row_(db.execAndGet("SELECT coalesce(max(row), 0) + 1 FROM runs").getInt64()),
        plan_(std::move(plan)),
        new_(db, plan_),
        row_there_(db, "SELECT row, state, first FROM runs WHERE asked = ? AND asked > 0"),
        make_(db, "INSERT INTO runs (row, id, settings, seed, image_set, method, inputs, asked, state, reason, host, device, started, finished, seconds, results, first, seal, attempts) "
                  "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"),
        hand_out_(db, "INSERT INTO packs (pack, epoch, host, device, rank, started, runs, seal) VALUES (?1,?2,?3,?4,?5,?6,?7,seal(?1,?2,?3,?4,?5,?6,?7))"),
        attempt_(db, "INSERT OR IGNORE INTO attempts (run, number, pack, epoch, host, device, rank, started, finished, outcome, reason) VALUES (?,?,?,?,?,?,?,?,?,?,?)"),
        tell_first_(db, "INSERT OR IGNORE INTO attempts SELECT * FROM every_attempt WHERE run = ?"),
        first_told_(db, "UPDATE runs SET first = 0, seal = " + seal_of_run({{"first", "0"}}) + " WHERE row = ?"),
        count_(db, "UPDATE runs SET attempts = max(attempts, ?) WHERE row = ?"),
        end_(db, "UPDATE attempts SET finished = ?, outcome = ?, reason = ? WHERE run = ? AND number = ?"),
        settle_(db, "UPDATE runs SET state = ?1, reason = ?2, host = ?3, device = ?4, started = ?5, finished = ?6, seconds = ?7, results = ?8, seal = " +
                        seal_of_run({{"state", "?1"}, {"reason", "?2"}, {"host", "?3"}, {"device", "?4"}, {"started", "?5"}, {"finished", "?6"},
                                     {"seconds", "?7"}, {"results", "?8"}}) + " WHERE row = ?9"),
        measure_(db, "INSERT INTO measurements (metric, run, runs, shape, numbers, seal) VALUES (?1,?2,?3,?4,?5,seal(?1,?2,?3,?4,?5))"),
        attach_(db, "INSERT INTO attachments (run, name, media_type, bytes, seal) VALUES (?1,?2,?3,?4,seal(?1,?2,?3,?4))"),
        facts_(db, "UPDATE sessions SET provenance = json_patch(provenance, ?) WHERE epoch = ?"),
        metric_(db, "metrics", "name"),
        shape_(db, "shapes", "axes") {}

  void write(const LedgerEntry& entry) {
    std::visit([this](const auto& one) { put(one); }, entry);
  }

  void finish() {
    for (auto& [metric, block] : blocks_) flush(block);
  }

  void lay_out(const FreshPack& pack) {
    RunMaker maker(plan_());
    for (const std::int64_t number : pack.numbers) {
      Attempt one = pack.attempt;
      one.run = maker.id_at(number), one.place = number;
      if (const auto row = new_row(one, kWaits)) start(*row, one, pack.epoch);
    }
  }

 private:
  enum Outcome { kNone, kDone, kFailed, kDropped };
  struct Row { std::int64_t number; RunState state; };
  /// How runs were handed out for the first time, and the row of packs that says so.
  struct Handed {
    Attempt attempt;
    std::int64_t row = 0;
  };
  /// A row of measurements that is not written yet.
  struct Block {
    Axes axes;
    std::int64_t metric = 0, shape = 0, run = 0, runs = 0;
    std::vector<float> numbers;
  };
  static Standing standing(const Attempt& attempt, int state, const std::string& reason, double seconds, std::size_t results, std::int64_t first = 0) {
    return {state, reason, attempt.host.str(), attempt.device.str(), attempt.started, attempt.finished, seconds, static_cast<std::int64_t>(results), first};
  }

  // Of a run that has none yet, though it was handed out, the row is made.
  Row row_of(const Attempt& one) {
    if (const auto known = fresh_.find(one.place); known != fresh_.end()) {
      Attempt first = known->second->attempt;
      first.run = one.run, first.place = one.place;
      fresh_.erase(known);
      if (const auto row = new_row(first, kWaits)) return start(*row, first, epoch_), *row;
    }
    if (const auto row = row_there(one)) return *row;
    if (const auto row = new_row(one, kWaits)) return *row;
    throw FormatError("run " + one.run + " was reported, but the ledger does not know it. Sweep into a new folder.");
  }

  std::optional<Row> row_there(const Attempt& one) {
    row_there_.bind(1, one.place + 1);
    std::optional<Row> row;
    std::int64_t first = 0;
    if (row_there_.executeStep()) row = Row{row_there_.getColumn(0).getInt64(), static_cast<RunState>(row_there_.getColumn(1).getInt())}, first = row_there_.getColumn(2).getInt64();
    row_there_.reset();
    if (first > 0) run(tell_first_, row->number), run(first_told_, row->number);   // there will be more to tell
    return row;
  }

  // Nothing where it has one, or is in no plan.
  std::optional<Row> new_row(const Attempt& one, const Standing& standing) {
    if (one.place < 0) return std::nullopt;
    const NewRuns::Fields fields = new_.fields_of(one.place);
    const int made = run_sealed(make_, seal_, one.number, next_row_, one.run, fields.settings, fields.seed, fields.image_set, fields.method, fields.inputs,
                                one.place + 1, standing.state, standing.reason, standing.host, standing.device, standing.started, standing.finished, standing.seconds,
                                standing.results, standing.first);
    if (made == 0) return std::nullopt;
    return Row{next_row_++, static_cast<RunState>(standing.state)};
  }

  // Most runs are through the first time: then their row is made with what came of it, all at once.
  std::optional<Row> settled_at_once(const Attempt& attempt, int outcome, const std::string& reason, double seconds, std::size_t results) {
    const auto known = attempt.number == 1 ? fresh_.find(attempt.place) : fresh_.end();
    if (known == fresh_.end()) return std::nullopt;
    const std::int64_t first = known->second->row;
    fresh_.erase(known);
    const auto row = new_row(attempt, standing(attempt, outcome, reason, seconds, results, first));
    if (!row) start(row_of(attempt), attempt, epoch_);
    return row;
  }

  void put(const AttemptStarted& started) {
    for (auto first = started.members.begin(); first != started.members.end();) {
      const auto end = std::find_if(first, started.members.end(), [&](const Attempt& one) { return one.pack != first->pack || one.rank != first->rank; });
      hand_out({first, end});
      first = end;
    }
  }

  // One row stands for all that are handed out for the first time.
  void hand_out(std::span<const Attempt> members) {
    std::vector<std::int64_t> firsts;
    const auto pack = std::make_shared<Handed>(Handed{members.front()});
    for (const Attempt& one : members) {
      if (one.number == 1 && one.place >= 0 && fresh_.try_emplace(one.place, pack).second) firsts.push_back(one.place);
      else start_again(one);
    }
    if (firsts.empty()) return;
    std::ranges::sort(firsts);
    const Attempt& all = pack->attempt;
    run(hand_out_, all.pack, epoch_, all.host.str(), all.device.str(), all.rank, all.started, RunSet(firsts).text());
    pack->row = db_.getLastInsertRowid();
  }

  void start_again(const Attempt& one) {
    const Row row = row_of(one);
    start(row, one, epoch_);
    run(count_, one.number, row.number);
  }

  void start(const Row& row, const Attempt& one, std::int64_t epoch) {
    run(attempt_, row.number, one.number, one.pack, epoch, one.host.str(), one.device.str(), one.rank, one.started, 0.0, static_cast<int>(kNone), kNothing);
  }

  void put(const RunSucceeded& entry) {
    const std::size_t results = entry.result.measurements.size();
    if (const auto row = settled_at_once(entry.attempt, kDone, kNothing, entry.result.seconds, results)) return put(*row, entry.result);
    const Row row = row_of(entry.attempt);
    if (row.state == RunState::kDone) return end(row, entry.attempt, kDropped, kNothing);
    put(row, entry.result);
    settle(row, standing(entry.attempt, kDone, kNothing, entry.result.seconds, results));
    end(row, entry.attempt, kDone, kNothing);
  }

  void put(const RunFailed& entry) {
    const double seconds = entry.attempt.finished - entry.attempt.started;
    if (settled_at_once(entry.attempt, kFailed, entry.reason, seconds, 0)) return;
    const Row row = row_of(entry.attempt);
    if (row.state != RunState::kWaiting) return end(row, entry.attempt, kDropped, entry.reason);
    settle(row, standing(entry.attempt, kFailed, entry.reason, seconds, 0));
    end(row, entry.attempt, kFailed, entry.reason);
  }

  void put(const RunQuarantined& entry) {
    const Row row = row_of(entry.attempt);
    if (row.state == RunState::kWaiting) settle(row, standing(entry.attempt, kInQuarantine, entry.reason, entry.attempt.finished - entry.attempt.started, 0));
  }

  void put(const AttemptsEnded& ended) {
    for (const Attempt& one : ended.members) end(row_of(one), one, static_cast<int>(ended.how), kNothing);
  }

  void put(const FactsOfHost& host) { run(facts_, to_json(host.facts), epoch_); }

  void put(const Row& row, const RunResult& result) {
    for (const Measurement& one : result.measurements) put(row, one);
    for (const Attachment& one : result.attachments) put(row, one);
  }

  // Most runs measure what the one before did, and have the next row.
  void put(const Row& row, const Measurement& measurement) {
    Block& block = blocks_[measurement.metric];
    if (block.shape == 0 || block.axes != measurement.axes) {
      flush(block);
      block.shape = shape_(to_json(measurement.axes));
    }
    block.axes = measurement.axes;   // also where they are the same: the next run mostly shares them
    if (row.number != block.run + block.runs || block.numbers.size() + measurement.values.size() > kNumbersOfBlock) flush(block), block.run = row.number;
    if (block.metric == 0) block.metric = metric_(measurement.metric);
    block.numbers.insert(block.numbers.end(), measurement.values.begin(), measurement.values.end());
    ++block.runs;
  }

  void flush(Block& block) {
    if (block.runs == 0) return;
    const auto bytes = little_endian(block.numbers);
    bind_blob(measure_, 5, bytes);
    run(measure_, block.metric, block.run, block.runs, block.shape);
    block.runs = 0;
    block.numbers.clear();
  }

  void put(const Row& row, const Attachment& attachment) {
    bind_blob(attach_, 4, attachment.bytes);
    run(attach_, row.number, attachment.name, attachment.media_type);
  }

  void settle(const Row& row, const Standing& now) {
    run(settle_, now.state, now.reason, now.host, now.device, now.started, now.finished, now.seconds, now.results, row.number);
  }

  void end(const Row& row, const Attempt& attempt, int outcome, const std::string& reason) {
    run(end_, attempt.finished, outcome, reason, row.number, attempt.number);
  }

  SQLite::Database& db_;
  std::int64_t epoch_, next_row_;
  std::function<const Plan&()> plan_;
  NewRuns new_;
  SQLite::Statement row_there_, make_, hand_out_, attempt_, tell_first_, first_told_, count_, end_, settle_, measure_, attach_, facts_;
  Lookup metric_, shape_;
  std::unordered_map<std::int64_t, std::shared_ptr<const Handed>> fresh_;   // runs that have no row yet, by number
  std::map<std::string, Block> blocks_;   // the last of each metric
  Seal seal_;
};

LedgerWriter::LedgerWriter(SQLite::Database& db, std::int64_t epoch, std::function<const Plan&()> plan)
    : state_(std::make_unique<State>(db, epoch, std::move(plan))) {}
LedgerWriter::~LedgerWriter() = default;
void LedgerWriter::write(const LedgerEntry& entry) { state_->write(entry); }
void LedgerWriter::finish() { state_->finish(); }
void LedgerWriter::lay_out(const FreshPack& pack) { state_->lay_out(pack); }

}  // namespace palimpsest
