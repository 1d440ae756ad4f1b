#include <algorithm>
#include <sstream>

#include <sqlite3.h>

#include "sweeps/ledger.h"
#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"
#include "sweeps/seal.h"

namespace palimpsest {

void check_seal(const SQLite::Statement& row, const std::string& what) {
  if (row.getColumn(row.getColumnCount() - 1).getInt() == 0)
    throw FormatError("is damaged: " + what + " is not as it was written. `palimpsest ledger check` says what else is wrong, `palimpsest "
                      "ledger salvage` saves what is whole.");
}

std::optional<std::string> meta_where_known(SQLite::Database& db, const std::string& key) {
  SQLite::Statement statement(db, "SELECT value, seal = seal(key, value) FROM meta WHERE key = ?");
  statement.bind(1, key);
  if (!statement.executeStep()) return std::nullopt;
  check_seal(statement, "the row of " + key);
  return statement.getColumn(0).getString();
}

namespace {

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

}  // namespace

std::string meta(SQLite::Database& db, const std::string& key) {
  auto value = meta_where_known(db, key);
  if (!value) throw FormatError("the sweep that made it has not written its definition. If it is not running any more, run `palimpsest sweep` again.");
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
    read("SELECT provenance FROM sessions JOIN (SELECT DISTINCT x.epoch AS of FROM every_attempt AS x JOIN runs ON row = run WHERE outcome = 1 AND asked > 0) "
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
    if (const auto recorded = meta_where_known(state_->db, "claims"))
      if (state_->db.execAndGet("SELECT count(*) FROM claims").getInt64() < std::atoll(recorded->c_str()))
        throw FormatError("is damaged: " + *recorded + " claims were recorded, and they are not all here. See `palimpsest ledger check`.");
    return claims;
  });
}

std::vector<std::string> Ledger::metrics() const {
  return guarded(state_->file, [&] {
    std::vector<std::string> names;
    for (auto& [number, name] : named_metrics(state_->db)) names.push_back(std::move(name));
    state_->check_all_measured();   // who asks for them takes what there is
    return names;
  });
}

// A report asks every run of a sweep that kept no picture.
bool Ledger::State::any_attachment() const {
  const int changes = sqlite3_total_changes(db.getHandle());
  if (!attachments_after || attachments_after->first != changes) attachments_after = {changes, db.execAndGet("SELECT EXISTS (SELECT 1 FROM attachments)").getInt() != 0};
  return attachments_after->second;
}

std::vector<Attachment> Ledger::attachments(const RunId& run) const {
  return guarded(state_->file, [&] {
    std::vector<Attachment> attachments;
    if (!state_->any_attachment()) return attachments;
    SQLite::Statement row(state_->db,
                          "SELECT name, media_type, bytes, attachments.seal = seal(run, name, media_type, bytes) FROM attachments WHERE run = ? ORDER BY name");
    row.bind(1, state_->row_of(run).value_or(0));
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
                          "AND epoch = (SELECT max(epoch) FROM sessions)");
    while (row.executeStep())
      attempts.push_back({row.getColumn(0).getString(), row.getColumn(1).getInt(), row.getColumn(2).getInt64(), row.getColumn(3).getString(),
                          row.getColumn(4).getString(), row.getColumn(5).getInt(), row.getColumn(6).getDouble(), 0});
    for (const FreshPack& pack : fresh_packs(state_->db, /*last=*/true)) {
      RunMaker maker(state_->recorded_plan());
      for (const std::int64_t number : pack.numbers) {
        attempts.push_back(pack.attempt);
        attempts.back().run = maker.id_at(number), attempts.back().place = number;
      }
    }
    std::ranges::sort(attempts, {}, [](const Attempt& one) { return std::pair(one.pack, one.run); });
    return attempts;
  });
}

std::int64_t Ledger::highest_pack() const {
  return guarded(state_->file, [&] { return state_->db.execAndGet("SELECT max((SELECT coalesce(max(pack), 0) FROM attempts), (SELECT coalesce(max(pack), 0) FROM packs))").getInt64(); });
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
