#include <algorithm>
#include <bit>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "sweeps/ledger.h"
#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"
#include "sweeps/plan.h"
#include "sweeps/seal.h"

namespace palimpsest {
namespace {

constexpr int kInQuarantine = 3;   // state of a run

// The last column of a row tells whether its seal is the row's.
void check_seal(const SQLite::Statement& row, const std::string& what) {
  if (row.getColumn(row.getColumnCount() - 1).getInt() == 0)
    throw FormatError("is damaged: " + what + " is not as it was written. `palimpsest ledger check` says what else is wrong, `palimpsest "
                      "ledger salvage` saves what is whole.");
}

template <class Found>
const auto& found_in(const std::map<std::int64_t, Found>& rows, std::int64_t number, const char* table) {
  const auto row = rows.find(number);
  if (row == rows.end()) throw FormatError(std::string("is damaged: a row of ") + table + " that others name is not there. See `palimpsest ledger check`.");
  return row->second;
}

std::optional<std::string> meta_where_known(SQLite::Database& db, const std::string& key) {
  SQLite::Statement statement(db, "SELECT value, seal = seal(key, value) FROM meta WHERE key = ?");
  statement.bind(1, key);
  if (!statement.executeStep()) return std::nullopt;
  check_seal(statement, "the row of " + key);
  return statement.getColumn(0).getString();
}

// "1/2 2/2": several where ledgers were joined.
std::vector<Slice> slices_of(const std::string& text) {
  std::vector<Slice> slices;
  std::istringstream words(text);
  Slice slice;
  for (char stroke; words >> slice.number >> stroke >> slice.of;) slices.push_back(slice);
  std::ranges::sort(slices, {}, [](const Slice& one) { return std::pair(one.of, one.number); });
  slices.erase(std::unique(slices.begin(), slices.end()), slices.end());
  return slices;
}

std::vector<float> numbers_of(const SQLite::Column& blob) {
  std::vector<float> values(static_cast<std::size_t>(blob.getBytes()) / sizeof(float));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, static_cast<const char*>(blob.getBlob()) + i * sizeof bits, sizeof bits);
    if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap32(bits);
    values[i] = std::bit_cast<float>(bits);
  }
  return values;
}

std::size_t places_of(const std::vector<Axis>& axes) {
  std::size_t places = 1;
  for (const Axis& axis : axes) places *= axis.labels.size();
  return places;
}

Measurement measurement_of(const std::string& metric, const std::vector<Axis>& axes, const SQLite::Column& blob) {
  Measurement measurement{metric, axes, numbers_of(blob)};
  if (measurement.values.size() != places_of(axes)) throw FormatError("is damaged: a row of " + metric + " has not as many numbers as its axes.");
  return measurement;
}

LedgerRun run_of(const SQLite::Statement& row, const Settings& settings) {
  LedgerRun run;
  run.spec = {row.getColumn("id").getString(), settings, row.getColumn("seed").getInt64(), row.getColumn("image_set").getInt64()};
  const int state = row.getColumn("state").getInt();
  run.quarantined = state == kInQuarantine;
  run.state = run.quarantined ? RunState::kFailed : static_cast<RunState>(state);
  run.attempts = row.getColumn("attempts").getInt();
  run.reason = row.getColumn("reason").getString();
  run.host = row.getColumn("host").getString();
  run.device = row.getColumn("device").getString();
  run.started = row.getColumn("started").getDouble();
  run.finished = row.getColumn("finished").getDouble();
  run.seconds = row.getColumn("seconds").getDouble();
  run.number = row.getColumn("asked").getInt64() - 1;
  run.asked = run.number >= 0;
  return run;
}

}  // namespace

std::string meta(SQLite::Database& db, const std::string& key) {
  auto value = meta_where_known(db, key);
  if (!value) throw FormatError("the sweep that made it was stopped before it wrote its definition. Run `palimpsest sweep` again.");
  return std::move(*value);
}

bool Ledger::has_definition() const {
  return guarded(state_->file, [&] { return meta_where_known(state_->db, "asked").has_value(); });
}

std::string Ledger::study() const {
  return guarded(state_->file, [&] { return meta(state_->db, "study"); });
}

std::string Ledger::name() const {
  return guarded(state_->file, [&] { return meta(state_->db, "name"); });
}

std::string Ledger::definition_text() const {
  return guarded(state_->file, [&] { return meta(state_->db, "definition"); });
}

std::vector<std::string> Ledger::axes() const {
  return guarded(state_->file, [&] { return list_of_json(meta(state_->db, "axes")); });
}

std::vector<std::map<std::string, std::string>> Ledger::provenances() const {
  return guarded(state_->file, [&] {
    std::vector<std::map<std::string, std::string>> found;
    const auto read = [&](const char* sessions) {
      SQLite::Statement row(state_->db, sessions);
      while (row.executeStep()) found.push_back(words_of_json(row.getColumn(0).getString()));
    };
    read("SELECT provenance FROM sessions JOIN (SELECT DISTINCT attempts.epoch AS of FROM attempts JOIN runs ON row = run WHERE outcome = 1 AND asked > 0) "
         "ON epoch = of GROUP BY provenance ORDER BY min(epoch)");
    if (found.empty()) read("SELECT provenance FROM sessions WHERE provenance <> '{}' ORDER BY epoch DESC LIMIT 1");
    return found;
  });
}

std::vector<Slice> Ledger::slices() const {
  return guarded(state_->file, [&] { return slices_of(meta_where_known(state_->db, "slice").value_or("1/1")); });
}

std::vector<std::int64_t> Ledger::units_asked() const {
  return guarded(state_->file, [&] {
    std::vector<std::int64_t> units;
    for (const auto& [epoch, asked, done] : units_of_json(meta_where_known(state_->db, "units").value_or("[]"))) {
      if (done == 0) units.clear();   // it was planned so
      if (units.empty() || units.back() != asked) units.push_back(asked);
    }
    return units;
  });
}

double Ledger::session_started() const {
  return guarded(state_->file, [&] { return state_->db.execAndGet("SELECT coalesce(max(started), 0) FROM sessions").getDouble(); });
}

std::vector<LedgerClaim> Ledger::claims() const {
  return guarded(state_->file, [&] {
    std::vector<LedgerClaim> claims;
    SQLite::Statement row(state_->db, "SELECT json, exploratory, position, seal = " + seal_of_claim() + " FROM claims WHERE position <> -1 ORDER BY position < 0, position, hash");
    while (row.executeStep()) {
      check_seal(row, "a claim");
      claims.push_back({claim_of_json(row.getColumn(0).getString()), row.getColumn(1).getInt() != 0, row.getColumn(2).getInt() < 0});
    }
    return claims;
  });
}

namespace {

using SettingsById = std::map<std::int64_t, Settings>;

SettingsById every_setting(SQLite::Database& db) {
  SettingsById settings;
  SQLite::Statement one(db, "SELECT id, json, seal = seal(id, json) FROM settings");
  while (one.executeStep()) check_seal(one, "a row of settings"), settings.emplace(one.getColumn(0).getInt64(), settings_of_json(one.getColumn(1).getString()));
  return settings;
}

Settings with_keys(const Settings& settings, const std::set<std::string>& keys) {
  Settings out;
  for (const std::string& key : keys)
    if (settings.has(key)) out.set(key, settings.at(key));
  return out;
}

}  // namespace

std::vector<LedgerRun> rows_of_runs(SQLite::Database& db, bool all, const std::set<std::string>* keys, const RunId* only) {
  auto settings = every_setting(db);
  if (keys)
    for (auto& [id, one] : settings) one = with_keys(one, *keys);
  std::vector<LedgerRun> runs;
  SQLite::Statement row(db, "SELECT *, seal = " + seal_of_run() + " FROM runs " + (only ? "WHERE id = ?" : "ORDER BY id"));
  if (only) row.bind(1, *only);
  while (row.executeStep()) {
    check_seal(row, "the row of run " + row.getColumn("id").getString());
    if (all || row.getColumn("asked").getInt64() != 0) runs.push_back(run_of(row, found_in(settings, row.getColumn("settings").getInt64(), "settings")));
  }
  return runs;
}

namespace {

// With the runs of these numbers, which wait; sorted by id again.
std::vector<LedgerRun> with_those_left(std::vector<LedgerRun> runs, const Plan& plan, const RunSet& left, const std::set<std::string>* keys) {
  if (left.empty()) return runs;
  RunMaker maker(plan);
  for (const std::int64_t number : left.numbers()) {
    RunSpec made = maker.run_at(number);
    LedgerRun run;
    run.spec = {std::move(made.id), keys ? with_keys(made.settings, *keys) : std::move(made.settings), made.seed, made.image_set};
    run.number = number;
    runs.push_back(std::move(run));
  }
  std::ranges::sort(runs, {}, [](const LedgerRun& run) -> const RunId& { return run.spec.id; });
  return runs;
}

// "0:1:0-9 1:2:0-4": several where ledgers were joined; none where there is no definition yet.
RunSet asked_of(SQLite::Database& db) {
  std::istringstream words(meta_where_known(db, "asked").value_or(""));
  std::vector<RunSet> sets;
  try {
    for (std::string word; words >> word;) sets.push_back(RunSet::of_text(word));
  } catch (const std::invalid_argument& error) {
    throw FormatError(fmt::format("is damaged: what it says of the runs that are asked for is {}", error.what()));
  }
  if (sets.size() == 1) return sets.front();
  std::vector<std::int64_t> all;
  for (const RunSet& set : sets)
    for (const std::int64_t number : set.numbers()) all.push_back(number);
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return RunSet(all);
}

// Of rows that are asked for.
std::vector<std::int64_t> numbers_of_rows(SQLite::Database& db) {
  std::vector<std::int64_t> numbers;
  SQLite::Statement row(db, "SELECT asked - 1 FROM runs WHERE asked > 0");
  while (row.executeStep()) numbers.push_back(row.getColumn(0).getInt64());
  std::ranges::sort(numbers);
  return numbers;
}

}  // namespace

const Plan& Ledger::State::recorded_plan() const {
  if (!plan)
    plan = guarded(file, [&] {
      auto made = std::make_unique<const Plan>(read_definition_text(meta(db, "definition"), file.parent_path() / "resolved.toml"),
                                               RecordedInputs::of_text(meta(db, "inputs")));
      if (const RunSet asked = asked_of(db); !asked.empty() && asked.nth(asked.size() - 1) >= made->size())
        throw FormatError("is damaged: it asks for runs that its plan does not have. See `palimpsest ledger check`.");
      return made;
    });
  return *plan;
}

const Plan& Ledger::plan() const { return state_->recorded_plan(); }

RunSet Ledger::asked() const {
  return guarded(state_->file, [&] { return asked_of(state_->db); });
}

RunSet Ledger::never_handed_out() const {
  const RunSet asked = this->asked();
  return guarded(state_->file, [&] { return asked.without(numbers_of_rows(state_->db)); });
}

std::vector<LedgerRun> Ledger::runs_handed_out(bool all) const {
  return guarded(state_->file, [&] { return rows_of_runs(state_->db, all); });
}

std::vector<LedgerRun> Ledger::runs(bool all) const {
  const RunSet left = never_handed_out();
  return left.empty() ? runs_handed_out(all) : with_those_left(runs_handed_out(all), plan(), left, nullptr);
}

std::vector<LedgerRun> Ledger::runs_with(const std::set<std::string>& keys, bool all) const {
  const RunSet left = never_handed_out();
  auto runs = guarded(state_->file, [&] { return rows_of_runs(state_->db, all, &keys); });
  return left.empty() ? runs : with_those_left(std::move(runs), plan(), left, &keys);
}

void Ledger::for_each_row(const Plan& plan, const std::function<void(const RunRow&)>& visit) const {
  const bool same = state_->plan.get() == &plan || guarded(state_->file, [&] { return meta_where_known(state_->db, "plan") == plan.fingerprint(); });
  guarded(state_->file, [&] {
    RunFinder finder(plan);
    SQLite::Statement json(state_->db, "SELECT json FROM settings WHERE id = ?");
    SQLite::Statement row(state_->db, "SELECT id, asked, state, attempts, seconds, settings, image_set, seed, seal = " + seal_of_run() + " FROM runs");
    while (row.executeStep()) {
      check_seal(row, "the row of run " + row.getColumn(0).getString());
      const int state = row.getColumn(2).getInt();
      RunRow run{row.getColumn(0).getString(), row.getColumn(1).getInt64() - 1, row.getColumn(1).getInt64() > 0, static_cast<RunState>(std::min(state, kInQuarantine - 1)), state == kInQuarantine,
                 row.getColumn(3).getInt(), row.getColumn(4).getDouble()};
      if (!same || run.number < 0) {
        const auto settings = [&] {
          json.reset();
          json.bind(1, row.getColumn(5).getInt64());
          if (!json.executeStep()) throw FormatError("is damaged: a row of settings that others name is not there. See `palimpsest ledger check`.");
          return settings_of_json(json.getColumn(0).getString());
        };
        run.number = finder.number_of(run.id, row.getColumn(5).getInt64(), settings, row.getColumn(6).getInt64(), row.getColumn(7).getInt64()).value_or(-1);
      }
      visit(run);
    }
  });
}

std::vector<std::string> Ledger::metrics() const {
  return guarded(state_->file, [&] {
    std::vector<std::string> names;
    SQLite::Statement row(state_->db, "SELECT name, seal = seal(id, name) FROM metrics ORDER BY name");
    while (row.executeStep()) check_seal(row, "the name of a metric"), names.push_back(row.getColumn(0).getString());
    return names;
  });
}

namespace {

std::map<std::int64_t, std::vector<Axis>> shapes_of(SQLite::Database& db) {
  std::map<std::int64_t, std::vector<Axis>> shapes;
  SQLite::Statement shape(db, "SELECT id, axes, seal = seal(id, axes) FROM shapes");
  while (shape.executeStep()) check_seal(shape, "the axes of measurements"), shapes.emplace(shape.getColumn(0).getInt64(), axes_of_json(shape.getColumn(1).getString()));
  return shapes;
}

}  // namespace

void Ledger::for_each_measurement(const std::string& metric, const std::function<void(const RunId&, const Measurement&)>& visit) const {
  guarded(state_->file, [&] {
    const auto shapes = shapes_of(state_->db);
    SQLite::Statement row(state_->db,
                          // The runs in the order of their ids, each looked up: sorting the rows themselves would write them all out once more.
                          "SELECT runs.id, shape, numbers, measurements.seal = seal(metric, run, shape, numbers) FROM runs CROSS JOIN measurements "
                          "ON run = runs.row AND metric = (SELECT id FROM metrics WHERE name = ?) WHERE asked > 0 ORDER BY runs.id");
    row.bind(1, metric);
    while (row.executeStep()) {
      check_seal(row, "what run " + row.getColumn(0).getString() + " measured of " + metric);
      visit(row.getColumn(0).getString(), measurement_of(metric, found_in(shapes, row.getColumn(1).getInt64(), "shapes"), row.getColumn(2)));
    }
  });
}

std::vector<Measurement> Ledger::measurements_of(const RunId& run) const {
  return guarded(state_->file, [&] {
    const auto shapes = shapes_of(state_->db);
    std::vector<Measurement> measurements;
    SQLite::Statement row(state_->db,
                          "SELECT metrics.name, shape, numbers, measurements.seal = seal(metric, run, shape, numbers) FROM metrics CROSS JOIN runs "
                          "JOIN measurements ON metric = metrics.id AND run = runs.row WHERE runs.id = ? ORDER BY metrics.name");
    row.bind(1, run);
    while (row.executeStep()) {
      const std::string metric = row.getColumn(0).getString();
      check_seal(row, "what run " + run + " measured of " + metric);
      measurements.push_back(measurement_of(metric, found_in(shapes, row.getColumn(1).getInt64(), "shapes"), row.getColumn(2)));
    }
    return measurements;
  });
}

std::vector<Attachment> Ledger::attachments(const RunId& run) const {
  return guarded(state_->file, [&] {
    std::vector<Attachment> attachments;
    SQLite::Statement row(state_->db,
                          "SELECT name, media_type, bytes, attachments.seal = seal(run, name, media_type, bytes) FROM attachments JOIN runs ON run = runs.row WHERE runs.id = ? ORDER BY name");
    row.bind(1, run);
    while (row.executeStep()) {
      check_seal(row, "an attachment of run " + run);
      const auto* first = static_cast<const std::byte*>(row.getColumn(2).getBlob());
      attachments.push_back({row.getColumn(0).getString(), row.getColumn(1).getString(), {first, first + row.getColumn(2).getBytes()}});
    }
    return attachments;
  });
}

std::vector<Attempt> Ledger::in_flight() const {
  return guarded(state_->file, [&] {
    std::vector<Attempt> attempts;
    SQLite::Statement row(state_->db,
                          "SELECT id, number, pack, attempts.host, attempts.device, rank, attempts.started FROM attempts "
                          "JOIN runs ON run = runs.row AND number = runs.attempts WHERE outcome = 0 AND state = 0 "
                          "AND epoch = (SELECT max(epoch) FROM sessions) ORDER BY pack, id");
    while (row.executeStep())
      attempts.push_back({row.getColumn(0).getString(), row.getColumn(1).getInt(), row.getColumn(2).getInt64(), row.getColumn(3).getString(),
                          row.getColumn(4).getString(), row.getColumn(5).getInt(), row.getColumn(6).getDouble(), 0});
    return attempts;
  });
}

std::int64_t Ledger::highest_pack() const {
  return guarded(state_->file, [&] { return state_->db.execAndGet("SELECT coalesce(max(pack), 0) FROM attempts").getInt64(); });
}

std::vector<LostPack> Ledger::lost_packs() const {
  return guarded(state_->file, [&] {
    std::map<std::int64_t, LostPack> packs;
    SQLite::Statement row(state_->db, "SELECT pack, id, rank FROM attempts JOIN runs ON run = runs.row WHERE outcome = 5 ORDER BY pack, runs.row");
    while (row.executeStep()) {
      LostPack& pack = packs[row.getColumn(0).getInt64()];
      pack.runs.push_back(row.getColumn(1).getString());
      pack.rank = row.getColumn(2).getInt();
    }
    std::vector<LostPack> list;
    for (auto& [number, pack] : packs) list.push_back(std::move(pack));
    return list;
  });
}

}  // namespace palimpsest
