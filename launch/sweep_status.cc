#include "launch/sweep_status.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <unordered_map>

#include "runtime/progress.h"
#include "runtime/settings.h"
#include "runtime/words.h"
#include "sweeps/plan.h"

namespace palimpsest {
namespace {

constexpr std::size_t kRunsNamed = 3;   // of those that failed for one reason
constexpr std::size_t kConditionsShown = 20, kPacksShown = 8, kReasonsShown = 5;   // on one screen; JSON has all
constexpr std::int64_t kMostConditions = 10'000;   // of a sweep that has more, only the sums are told

void count(RunCounts& counts, RunState state) {
  ++(state == RunState::kDone ? counts.done : state == RunState::kFailed ? counts.failed : counts.waiting);
}

std::string word(const Value& value) {
  const auto* bare = std::get_if<std::string>(&value);
  return bare ? *bare : text(value);
}

std::string condition_of(const Settings& settings, const std::vector<std::string>& axes) {
  std::string condition;
  for (const std::string& key : axes)
    if (settings.has(key)) condition += (condition.empty() ? "" : ", ") + key + " = " + word(settings.at(key));
  return condition;
}

// Runs without a row, cell by cell.
void count_left(const Plan& plan, const RunSet& left, const std::vector<std::string>& axes, std::map<std::string, RunCounts>& conditions) {
  for (const RunSet::Range& range : left.ranges())
    for (std::int64_t place = range.begin; place < range.end;) {
      const std::int64_t number = left.number_at(place), runs = left.members_below((plan.cell_of(number) + 1) * plan.runs_of_cell(), place, range);
      conditions[condition_of(plan.settings_of(plan.place_of(number).cell), axes)].waiting += runs;
      place += runs;
    }
}

std::vector<std::pair<std::string, RunCounts>> by_condition(const Ledger& ledger, const std::vector<LedgerRun>& runs, const RunSet& left) {
  const auto axes = ledger.axes();
  std::map<std::string, RunCounts> conditions;
  std::unordered_map<const Settings::Values*, RunCounts*> known;   // most runs share their settings
  for (const LedgerRun& run : runs) {
    RunCounts*& counts = known[&run.spec.settings.values()];
    if (!counts) counts = &conditions[condition_of(run.spec.settings, axes)];
    count(*counts, run.state);
  }
  if (!left.empty()) {
    if (ledger.plan().kept().size() > kMostConditions) return {};
    count_left(ledger.plan(), left, axes, conditions);
  }
  if (std::ssize(conditions) > kMostConditions) return {};
  return {conditions.begin(), conditions.end()};
}

std::vector<PackInFlight> packs_of(const std::vector<Attempt>& attempts, double now) {
  std::map<std::int64_t, PackInFlight> packs;
  for (const Attempt& one : attempts) {
    PackInFlight& pack = packs[one.pack];
    pack = {one.pack, pack.open + 1, one.host.str(), one.rank, now - one.started};
  }
  std::vector<PackInFlight> list;
  for (const auto& [id, pack] : packs) list.push_back(pack);
  return list;
}

// From what this session finished since it began.
void estimate(SweepStatus& status, const std::vector<LedgerRun>& runs, double session_started, double now) {
  const auto finished = std::ranges::count_if(
      runs, [&](const LedgerRun& run) { return run.state != RunState::kWaiting && run.finished >= session_started; });
  if (finished == 0 || now <= session_started) return;
  const double per_second = static_cast<double>(finished) / (now - session_started);
  status.runs_per_hour = 3600 * per_second;
  status.seconds_left = static_cast<double>(status.runs.waiting) / per_second;
}

// Where they are too many for a screen, first those in which runs failed, then those that are begun and not through.
std::vector<std::pair<std::string, RunCounts>> shown_first(std::vector<std::pair<std::string, RunCounts>> conditions) {
  if (conditions.size() <= kConditionsShown) return conditions;
  const auto rank = [](const auto& one) { return one.second.failed > 0 ? 0 : one.second.done > 0 && one.second.waiting > 0 ? 1 : one.second.waiting > 0 ? 2 : 3; };
  std::ranges::stable_sort(conditions, {}, rank);
  conditions.resize(kConditionsShown);
  return conditions;
}

std::string and_more(std::size_t all, std::size_t shown, const char* noun) { return all > shown ? fmt::format("  and {} more\n", counted(all - shown, noun)) : ""; }

std::string table(const std::vector<std::pair<std::string, RunCounts>>& all) {
  const auto conditions = shown_first(all);
  std::size_t width = 0;
  for (const auto& [condition, counts] : conditions) width = std::max(width, condition.size());
  std::string lines = fmt::format("  {:{}}  {:>7} {:>7} {:>7}\n", "", width, "done", "failed", "to do");
  for (const auto& [condition, counts] : conditions)
    lines += fmt::format("  {:{}}  {:>7} {:>7} {:>7}\n", condition, width, counts.done, counts.failed, counts.waiting);
  return lines + and_more(all.size(), conditions.size(), "condition");
}

std::string pack_lines(const std::vector<PackInFlight>& packs) {
  std::string lines;
  for (const PackInFlight& pack : std::span(packs).first(std::min(packs.size(), kPacksShown)))
    lines += fmt::format("pack {} on {}, rank {}: {} open, for {}\n", pack.pack, pack.host, pack.rank, pack.open, duration_text(pack.seconds));
  return lines + and_more(packs.size(), kPacksShown, "pack");
}

// The most frequent reasons first.
std::string failure_lines(const std::map<std::string, std::vector<FailedRun>>& failures) {
  std::vector<const std::pair<const std::string, std::vector<FailedRun>>*> reasons;
  for (const auto& one : failures) reasons.push_back(&one);
  std::ranges::stable_sort(reasons, std::ranges::greater(), [](const auto* one) { return one->second.size(); });
  std::string lines;
  for (const auto* one : std::span(reasons).first(std::min(reasons.size(), kReasonsShown))) {
    const auto& [reason, runs] = *one;
    lines += fmt::format("failed, {}: {}\n", runs.size(), reason);
    for (std::size_t i = 0; i < std::min(runs.size(), kRunsNamed); ++i)
      lines += fmt::format("  {:>8}  {}  {}\n", runs[i].number, runs[i].id.substr(0, 8), runs[i].condition);
    if (runs.size() > kRunsNamed) lines += fmt::format("  {:>8}  and {} more\n", "", runs.size() - kRunsNamed);
  }
  return lines + and_more(reasons.size(), kReasonsShown, "reason");
}

FailedRun failed_run(const LedgerRun& run, const std::vector<std::string>& axes) {
  return {run.spec.id, run.number, joined({condition_of(run.spec.settings, axes), fmt::format("image set {}", run.spec.image_set), fmt::format("seed {}", run.spec.seed)})};
}

std::vector<RunId> ids_of(const std::vector<FailedRun>& runs) {
  std::vector<RunId> ids;
  for (const FailedRun& run : runs) ids.push_back(run.id);
  return ids;
}

nlohmann::ordered_json json_of(const RunCounts& counts) { return {{"done", counts.done}, {"failed", counts.failed}, {"to_do", counts.waiting}, {"quarantined", counts.quarantined}}; }

}  // namespace

SweepStatus status_of(const Ledger& ledger, bool running, double now) {
  const std::vector<LedgerRun> runs = ledger.runs_handed_out();
  const RunSet left = ledger.without_row();
  const auto axes = ledger.axes();
  SweepStatus status;
  status.study = ledger.study();
  status.name = ledger.name();
  status.running = running;
  for (const LedgerRun& run : runs) {
    count(status.runs, run.state);
    status.runs.quarantined += run.quarantined;
    if (run.state == RunState::kFailed) status.failures[run.reason].push_back(failed_run(run, axes));
  }
  status.runs.waiting += left.size();
  status.conditions = by_condition(ledger, runs, left);
  if (!running) return status;
  status.packs = packs_of(ledger.in_flight(), now);
  estimate(status, runs, ledger.session_started(), now);
  return status;
}

std::string status_text(const SweepStatus& status) {
  std::string text = fmt::format("{} \"{}\": {} of {} runs done, {} failed, {} to do; {}\n", status.study, status.name, status.runs.done,
                                 status.runs.all(), status.runs.failed, status.runs.waiting, status.running ? "running" : "not running");
  if (status.runs.quarantined > 0)
    text += fmt::format("{} of the failed in quarantine: workers were lost with them (sweep --retry-quarantined tries them again)\n", status.runs.quarantined);
  if (status.runs_per_hour)
    text += fmt::format("{:.1f} runs/h, {} left\n", *status.runs_per_hour, duration_text(*status.seconds_left));
  if (status.conditions.size() > 1) text += table(status.conditions);
  return text + pack_lines(status.packs) + failure_lines(status.failures);
}

std::string status_json(const SweepStatus& status) {
  nlohmann::ordered_json json = {{"study", status.study}, {"name", status.name}, {"running", status.running}, {"runs", json_of(status.runs)}};
  json["runs_per_hour"] = status.runs_per_hour ? nlohmann::ordered_json(*status.runs_per_hour) : nullptr;
  json["seconds_left"] = status.seconds_left ? nlohmann::ordered_json(*status.seconds_left) : nullptr;
  json["conditions"] = nlohmann::ordered_json::array();
  for (const auto& [condition, counts] : status.conditions) {
    nlohmann::ordered_json one = {{"condition", condition}};
    one.update(json_of(counts));
    json["conditions"].push_back(one);
  }
  json["packs"] = nlohmann::ordered_json::array();
  for (const PackInFlight& pack : status.packs)
    json["packs"].push_back({{"pack", pack.pack}, {"open", pack.open}, {"host", pack.host}, {"rank", pack.rank}, {"seconds", pack.seconds}});
  json["failures"] = nlohmann::ordered_json::array();
  for (const auto& [reason, runs] : status.failures) json["failures"].push_back({{"reason", reason}, {"runs", ids_of(runs)}});
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace palimpsest
