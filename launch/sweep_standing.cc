#include "launch/sweep_standing.h"

#include <map>

#include "runtime/log.h"

namespace palimpsest {

Standing standing_of(const Ledger& ledger, const Plan& plan, const std::vector<RunSpec>& runs, const std::function<bool(std::int64_t)>& is_ours) {
  std::unordered_map<RunId, LedgerRun> known;
  for (LedgerRun& run : ledger.runs()) known.emplace(run.spec.id, std::move(run));
  Standing standing;
  standing.ids.resize(static_cast<std::size_t>(plan.size()));
  auto spec = runs.begin();
  for (std::int64_t number = 0; number < plan.size(); ++number) {
    if (!is_ours(number)) continue;
    const LedgerRun& run = known.at((spec++)->id);
    standing.ids[static_cast<std::size_t>(number)] = run.spec.id;
    if (run.state == RunState::kWaiting) {
      standing.waiting.push_back(number);
      standing.numbers.emplace(run.spec.id, number);
      if (run.attempts > 0) standing.tries[number].attempts = run.attempts;
    }
    standing.done += run.state == RunState::kDone;
    standing.failed += run.state == RunState::kFailed && !run.quarantined;
    standing.quarantined += run.quarantined;
  }
  return standing;
}

std::vector<std::vector<std::int64_t>> suspects_of(Standing& standing, const std::vector<LostPack>& lost) {
  std::map<std::int64_t, std::size_t> last;   // pack of each run
  for (std::size_t pack = 0; pack < lost.size(); ++pack)
    for (const RunId& id : lost[pack].runs) {
      const auto number = standing.numbers.find(id);
      if (number == standing.numbers.end()) continue;
      last[number->second] = pack;
      Tries& tries = standing.tries[number->second];
      tries.last_rank = lost[pack].rank;
      tries.kills += lost[pack].runs.size() == 1;
    }
  std::map<std::size_t, std::vector<std::int64_t>> together;
  for (const auto& [run, pack] : last) together[pack].push_back(run);
  std::vector<std::vector<std::int64_t>> groups;
  for (auto& [pack, runs] : together) groups.push_back(std::move(runs));
  return groups;
}

void quarantine_the_guilty(Ledger& ledger, Standing& standing, const std::filesystem::path& results) {
  std::erase_if(standing.waiting, [&](std::int64_t run) {
    const auto tries = standing.tries.find(run);
    if (tries == standing.tries.end() || tries->second.kills < kKillsToQuarantine) return false;
    const RunId& id = standing.ids[static_cast<std::size_t>(run)];
    const std::string reason = quarantine_reason(last_words(results, tries->second.last_rank));
    log().warn("run {} is {}", id, reason);
    ledger.quarantine(id, reason);
    standing.numbers.erase(id);
    standing.tries.erase(tries);
    ++standing.quarantined;
    return true;
  });
}

}  // namespace palimpsest
