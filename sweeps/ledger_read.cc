#include <bit>
#include <cstring>

#include "sweeps/ledger.h"
#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"

namespace palimpsest {
namespace {

std::string meta(SQLite::Database& db, const std::string& key) {
  SQLite::Statement statement(db, "SELECT value FROM meta WHERE key = ?");
  statement.bind(1, key);
  if (!statement.executeStep())
    throw FormatError("the sweep that made it was stopped before it wrote its definition. Run `palimpsest sweep` again.");
  return statement.getColumn(0).getString();
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
  constexpr int kInQuarantine = 3;
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
  run.asked = row.getColumn("asked").getInt() != 0;
  return run;
}

}  // namespace

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

std::map<std::string, std::string> Ledger::provenance() const {
  return guarded(state_->file, [&] {
    SQLite::Statement row(state_->db, "SELECT provenance FROM sessions WHERE provenance <> '{}' ORDER BY epoch DESC LIMIT 1");
    return row.executeStep() ? words_of_json(row.getColumn(0).getString()) : std::map<std::string, std::string>();
  });
}

double Ledger::session_started() const {
  return guarded(state_->file, [&] { return state_->db.execAndGet("SELECT coalesce(max(started), 0) FROM sessions").getDouble(); });
}

std::vector<LedgerClaim> Ledger::claims() const {
  return guarded(state_->file, [&] {
    std::vector<LedgerClaim> claims;
    SQLite::Statement row(state_->db, "SELECT json, exploratory FROM claims WHERE position >= 0 ORDER BY position");
    while (row.executeStep()) claims.push_back({claim_of_json(row.getColumn(0).getString()), row.getColumn(1).getInt() != 0});
    return claims;
  });
}

std::vector<LedgerRun> Ledger::runs(bool all) const {
  return guarded(state_->file, [&] {
    std::map<std::int64_t, Settings> settings;
    SQLite::Statement one(state_->db, "SELECT id, json FROM settings");
    while (one.executeStep()) settings.emplace(one.getColumn(0).getInt64(), settings_of_json(one.getColumn(1).getString()));
    std::vector<LedgerRun> runs;
    SQLite::Statement row(state_->db, all ? "SELECT * FROM runs ORDER BY id" : "SELECT * FROM runs WHERE asked = 1 ORDER BY id");
    while (row.executeStep()) runs.push_back(run_of(row, settings.at(row.getColumn("settings").getInt64())));
    return runs;
  });
}

std::vector<std::string> Ledger::metrics() const {
  return guarded(state_->file, [&] {
    std::vector<std::string> names;
    SQLite::Statement row(state_->db, "SELECT name FROM metrics ORDER BY name");
    while (row.executeStep()) names.push_back(row.getColumn(0).getString());
    return names;
  });
}

void Ledger::for_each_measurement(const std::string& metric, const std::function<void(const RunId&, const Measurement&)>& visit) const {
  guarded(state_->file, [&] {
    std::map<std::int64_t, std::vector<Axis>> shapes;
    SQLite::Statement shape(state_->db, "SELECT id, axes FROM shapes");
    while (shape.executeStep()) shapes.emplace(shape.getColumn(0).getInt64(), axes_of_json(shape.getColumn(1).getString()));
    SQLite::Statement row(state_->db,
                          "SELECT runs.id, shape, numbers FROM measurements JOIN runs ON run = runs.row "
                          "JOIN metrics ON metric = metrics.id WHERE metrics.name = ? AND asked = 1 ORDER BY runs.id");
    row.bind(1, metric);
    while (row.executeStep())
      visit(row.getColumn(0).getString(), measurement_of(metric, shapes.at(row.getColumn(1).getInt64()), row.getColumn(2)));
  });
}

std::vector<Attachment> Ledger::attachments(const RunId& run) const {
  return guarded(state_->file, [&] {
    std::vector<Attachment> attachments;
    SQLite::Statement row(state_->db,
                          "SELECT name, media_type, bytes FROM attachments JOIN runs ON run = runs.row WHERE runs.id = ? ORDER BY name");
    row.bind(1, run);
    while (row.executeStep()) {
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
