#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "sweeps/ledger_json.h"
#include "sweeps/ledger_schema.h"
#include "sweeps/ledger_state.h"
#include "sweeps/plan.h"
#include "sweeps/run_record.h"

namespace palimpsest {
namespace {

const std::string kOn = " on ";   // a fact, and the host it is of

constexpr int kTwinsNamed = 4;
constexpr std::size_t kLeastOfAnId = 4;   // fewer digits are a number

std::vector<RunId> ids(SQLite::Statement& rows) {
  std::vector<RunId> found;
  while (rows.executeStep()) found.push_back(rows.getColumn(0).getString());
  return found;
}

std::optional<std::int64_t> number_in(std::string_view words) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), number);
  if (error != std::errc{} || end != words.data() + words.size()) return std::nullopt;
  return number;
}

std::vector<RunId> with_number(SQLite::Database& db, std::int64_t number) {
  SQLite::Statement rows(db, "SELECT id FROM runs WHERE asked = ? ORDER BY id LIMIT ?");
  rows.bind(1, number + 1);
  rows.bind(2, kTwinsNamed + 1);
  return ids(rows);
}

std::vector<RunId> with_prefix(SQLite::Database& db, const std::string& words) {
  SQLite::Statement rows(db, "SELECT id FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT ?2");
  rows.bind(1, words);
  rows.bind(2, kTwinsNamed + 1);
  return ids(rows);
}

// A few of the runs that have no row, with their numbers.
std::map<RunId, std::int64_t> ids_left_that_begin_with(const RunSet& left, const Plan& plan, const std::string& words) {
  std::map<RunId, std::int64_t> found;
  RunMaker maker(plan);
  for (const RunSet::Range& range : left.ranges())
    for (std::int64_t place = range.begin; place < range.end && found.size() <= kTwinsNamed; ++place) {
      const std::int64_t number = left.number_at(place);
      if (RunId id = maker.id_at(number); id.starts_with(words)) found.emplace(std::move(id), number);
    }
  return found;
}

std::string listed(const std::vector<RunId>& runs) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(runs.size(), kTwinsNamed); ++i) text += (text.empty() ? "" : ", ") + runs[i];
  return text + (runs.size() > kTwinsNamed ? ", ..." : "");
}

Attempt attempt_of(const RunId& run, const SQLite::Statement& row) {
  return {run, row.getColumn("number").getInt(), row.getColumn("pack").getInt64(), row.getColumn("host").getString(), row.getColumn("device").getString(),
          row.getColumn("rank").getInt(), row.getColumn("started").getDouble(), row.getColumn("finished").getDouble()};
}

std::vector<PastAttempt> attempts_of(SQLite::Database& db, const RunId& run, std::int64_t row_of_run) {
  std::vector<PastAttempt> attempts;
  SQLite::Statement row(db, "SELECT * FROM every_attempt WHERE run = ? ORDER BY number");
  row.bind(1, row_of_run);
  while (row.executeStep())
    attempts.push_back({attempt_of(run, row), row.getColumn("epoch").getInt64(), static_cast<Outcome>(std::clamp(row.getColumn("outcome").getInt(), 0, 6)),
                        row.getColumn("reason").getString()});
  return attempts;
}

std::map<std::int64_t, Session> sessions_of(SQLite::Database& db, const std::vector<PastAttempt>& attempts) {
  std::map<std::int64_t, Session> sessions;
  SQLite::Statement row(db, "SELECT epoch, started, provenance FROM sessions ORDER BY epoch DESC");
  while (row.executeStep()) {
    const std::int64_t epoch = row.getColumn(0).getInt64();
    if (sessions.empty() || std::ranges::find(attempts, epoch, &PastAttempt::epoch) != attempts.end())
      sessions[epoch] = {row.getColumn(1).getDouble(), words_of_json(row.getColumn(2).getString())};
  }
  return sessions;
}

}  // namespace

RunId Ledger::run_named(const std::string& words) const {
  const RunSet left = without_row();
  return guarded(state_->file, [&] {
    const bool digits = !words.empty() && std::ranges::all_of(words, [](unsigned char c) { return std::isdigit(c) != 0; });
    const bool only_number = words.starts_with('#') || (digits && words.size() < kLeastOfAnId);
    const auto number = number_in(std::string_view(words).substr(words.starts_with('#')));
    std::vector<RunId> found = number ? with_number(state_->db, *number) : std::vector<RunId>();
    if (number && left.contains(*number)) found.push_back(plan().run_at(*number).id);
    for (RunId& id : only_number ? std::vector<RunId>{} : with_prefix(state_->db, words))
      if (std::ranges::find(found, id) == found.end()) found.push_back(std::move(id));
    if (!only_number && !left.empty())
      for (const auto& [id, place] : ids_left_that_begin_with(left, plan(), words))
        if (std::ranges::find(found, id) == found.end()) found.push_back(id);
    if (found.empty())
      throw FormatError(fmt::format("no run here has the number or begins with \"{}\". `palimpsest export {}` lists all runs in runs.csv.", words,
                                    state_->file.parent_path().string()));
    if (found.size() > 1)
      throw FormatError(fmt::format("\"{}\" may mean {}. Write more of its id{}.", words, listed(found),
                                    digits ? ", or #" + words + " for the run of that number" : ""));
    return found.front();
  });
}

// Of a run that has no row.
RunRecord Ledger::record_of_one_left(const RunId& id) const {
  const auto numbers = ids_left_that_begin_with(without_row(), plan(), id);
  if (numbers.empty()) throw InputError(fmt::format("{}: there is no run {}.", state_->file.string(), id));
  RunRecord record;
  record.run.spec = plan().run_at(numbers.begin()->second);
  record.run.spec.image_sets = 1;   // as those that have a row
  record.run.number = numbers.begin()->second;
  record.method = plan().definition().study->method_version;
  guarded(state_->file, [&] {
    for (const FreshPack& pack : fresh_packs(state_->db, /*last=*/true))
      if (std::ranges::binary_search(pack.numbers, record.run.number)) {
        record.run.attempts = 1;
        record.attempts.push_back({pack.attempt, pack.epoch, Outcome::kNone, ""});
        record.attempts.back().attempt.run = id;
      }
    record.sessions = sessions_of(state_->db, record.attempts);
  });
  return record;
}

RunRecord Ledger::record(const RunId& id) const {
  RunRecord record;
  const auto rows = guarded(state_->file, [&] { return rows_of_runs(state_->db, true, nullptr, &id); });
  if (rows.empty()) return record_of_one_left(id);
  record.run = rows.front();
  guarded(state_->file, [&] {
    SQLite::Statement row(state_->db, "SELECT row, method, inputs.json FROM runs JOIN inputs ON inputs.id = inputs WHERE runs.id = ?");
    row.bind(1, id);
    if (!row.executeStep()) throw FormatError("is damaged: the inputs of run " + id + " are not there. See `palimpsest ledger check`.");
    record.method = row.getColumn(1).getInt();
    record.run.spec.inputs = words_of_json(row.getColumn(2).getString());
    record.attempts = attempts_of(state_->db, id, row.getColumn(0).getInt64());
    record.sessions = sessions_of(state_->db, record.attempts);
  });
  record.measurements = measurements_of(id);
  return record;
}

std::map<std::string, std::string> other_facts(const std::map<std::string, std::string>& facts, const std::map<std::string, std::string>& of_rank_0, const std::string& host) {
  std::map<std::string, std::string> others;
  for (const auto& [name, value] : facts)
    if (const auto known = of_rank_0.find(name); known == of_rank_0.end() || known->second != value) others[name + kOn + host] = value;
  return others;
}

std::map<std::string, std::string> facts_on_host(const std::map<std::string, std::string>& provenance, const std::string& host) {
  std::map<std::string, std::string> facts;
  for (const auto& [name, value] : provenance)
    if (name.find(kOn) == std::string::npos) facts[name] = value;
  for (const auto& [name, value] : provenance)
    if (name.ends_with(kOn + host)) facts[name.substr(0, name.size() - host.size() - kOn.size())] = value;
  if (facts.contains("host")) facts["host"] = host;
  return facts;
}

const PastAttempt* counting_attempt(const RunRecord& record) {
  const Outcome wanted = record.run.state == RunState::kDone ? Outcome::kDone : Outcome::kFailed;
  const auto found = std::find_if(record.attempts.rbegin(), record.attempts.rend(), [&](const PastAttempt& one) { return one.outcome == wanted; });
  return found == record.attempts.rend() ? nullptr : &*found;
}

}  // namespace palimpsest
