#include "launch/sweep_standing.h"

#include <algorithm>
#include <map>

#include "runtime/log.h"

namespace palimpsest {

Standing standing_of(const Ledger& ledger, const Plan& plan, const RunSet& asked) {
  Standing standing;
  std::vector<std::int64_t> through;
  ledger.for_each_row(plan, [&](const RunRow& run) {
    if (run.number < 0 || !asked.contains(run.number)) return;
    if (run.state == RunState::kWaiting) {
      standing.numbers.emplace(run.id, run.number);
      if (run.attempts > 0) standing.tries[run.number].attempts = run.attempts;
      return;
    }
    through.push_back(run.number);
    standing.done += run.state == RunState::kDone;
    standing.failed += run.state == RunState::kFailed && !run.quarantined;
    standing.quarantined += run.quarantined;
  });
  std::ranges::sort(through);
  standing.waiting = asked.without(through);
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

std::vector<Pack> packs_of_suspects(const std::vector<std::vector<std::int64_t>>& suspected, const std::map<int, std::int64_t>& at_once,
                                    const std::function<int(std::int64_t)>& signature_of) {
  std::vector<Pack> packs;
  for (const auto& runs : suspected) {
    const int signature = signature_of(runs.front());
    const auto known = at_once.find(signature);
    const std::int64_t all = std::ssize(runs), size = known == at_once.end() ? all : std::max<std::int64_t>(1, known->second), turn = std::min(size, all);
    const auto put = [&](std::int64_t begin, std::int64_t end) {
      if (begin < end) packs.push_back({{runs.begin() + begin, runs.begin() + end}, signature});
    };
    put(0, (turn + 1) / 2);
    put((turn + 1) / 2, turn);
    for (std::int64_t begin = turn; begin < all; begin += size) put(begin, std::min(begin + size, all));
  }
  return packs;
}

void quarantine_the_guilty(Ledger& ledger, Standing& standing, const std::filesystem::path& results) {
  std::vector<std::int64_t> guilty;
  std::erase_if(standing.numbers, [&](const auto& run) {
    const auto& [id, number] = run;
    const auto tries = standing.tries.find(number);
    if (tries == standing.tries.end() || tries->second.kills < kKillsToQuarantine) return false;
    const std::string reason = quarantine_reason(last_words(results, tries->second.last_rank));
    log().warn("run {} is {}", id, reason);
    ledger.quarantine(id, reason);
    guilty.push_back(number);
    standing.tries.erase(tries);
    ++standing.quarantined;
    return true;
  });
  std::ranges::sort(guilty);
  standing.waiting = standing.waiting.without(guilty);
}

}  // namespace palimpsest
