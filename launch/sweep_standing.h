#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

#include "sweeps/coordinator.h"
#include "sweeps/plan.h"
#include "sweeps/run_set.h"

namespace palimpsest {

/// Where a sweep stands, by number of the plan, as its ledger tells it.
struct Standing {
  RunSet waiting;
  std::unordered_map<RunId, std::int64_t> numbers;   // of those that wait and were handed out before
  std::unordered_map<std::int64_t, Tries> tries;     // of the same
  std::int64_t done = 0, failed = 0, quarantined = 0;
};

/// Of the runs that are asked for.
Standing standing_of(const Ledger&, const Plan&, const RunSet& asked);

/// Waiting runs that were lost together with a worker, by the last pack in which they were; counts the workers that each was alone with.
std::vector<std::vector<std::int64_t>> suspects_of(Standing&, const std::vector<LostPack>&);

/// They come first when a sweep goes on: of each list, those that were computed at once in halves, then the others as they are computed.
/// `at_once`: how many runs are, by signature; all where it does not say.
std::vector<Pack> packs_of_suspects(const std::vector<std::vector<std::int64_t>>& suspected, const std::map<int, std::int64_t>& at_once,
                                    const std::function<int(std::int64_t)>& signature_of);

/// Puts waiting runs that were alone with too many lost workers into quarantine, with what log.jsonl in `results` holds of the last one.
void quarantine_the_guilty(Ledger&, Standing&, const std::filesystem::path& results);

}  // namespace palimpsest
