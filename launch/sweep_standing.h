#pragma once

#include <filesystem>
#include <functional>
#include <unordered_map>
#include <vector>

#include "sweeps/coordinator.h"
#include "sweeps/plan.h"

namespace palimpsest {

/// Where a sweep stands, by number of the plan, as its ledger tells it.
struct Standing {
  std::vector<RunId> ids;
  std::vector<std::int64_t> waiting;                 // in order
  std::unordered_map<RunId, std::int64_t> numbers;   // of those that wait
  std::unordered_map<std::int64_t, Tries> tries;     // of those that wait and were handed out before
  std::int64_t done = 0, failed = 0, quarantined = 0;

  bool waits(std::int64_t number) const { return numbers.contains(ids[static_cast<std::size_t>(number)]); }
};

/// `runs`: those of the numbers for which `is_ours` holds, in order.
Standing standing_of(const Ledger&, const Plan&, const std::vector<RunSpec>& runs, const std::function<bool(std::int64_t)>& is_ours);

/// Waiting runs that were lost together with a worker, by the last pack in which they were; counts the workers that each was alone with.
std::vector<std::vector<std::int64_t>> suspects_of(Standing&, const std::vector<LostPack>&);

/// Puts waiting runs that were alone with too many lost workers into quarantine, with what log.jsonl in `results` holds of the last one.
void quarantine_the_guilty(Ledger&, Standing&, const std::filesystem::path& results);

}  // namespace palimpsest
