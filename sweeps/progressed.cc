#include <algorithm>

#include "sweeps/common_runs.h"
#include "sweeps/ledger.h"
#include "sweeps/outline.h"

namespace palimpsest {

std::optional<Progressed> progressed_in(const std::filesystem::path& folder, const Plan& plan) {
  if (!std::filesystem::exists(folder / "ledger.sqlite")) return std::nullopt;
  const Ledger ledger = Ledger::open_for_reading(folder);
  Progressed found;
  found.folder = folder.string();
  double seconds = 0;
  std::int64_t timed = 0, known = 0;
  std::vector<std::int64_t> through;
  ledger.for_each_row(plan, [&](const RunRow& run) {
    if (run.state == RunState::kDone) seconds += run.seconds, ++timed;
    if (run.number < 0) { ++found.not_asked; return; }
    ++known;
    found.quarantined += run.quarantined;
    if (run.state == RunState::kWaiting) return;
    ++(run.state == RunState::kDone ? found.done : found.failed);
    through.push_back(run.number);
  });
  std::ranges::sort(through);
  found.waiting = RunSet::below(plan.size()).without(through);
  const RunSet left = ledger.without_row();
  const bool same = !left.empty() && ledger.plan().fingerprint() == plan.fingerprint();
  const std::int64_t common = same ? left.size() : left.empty() ? 0 : CommonRuns(ledger.plan(), plan).count(left);
  found.not_asked += left.size() - common;
  found.is_new = plan.size() - known - common;
  if (timed) found.seconds_per_run = seconds / static_cast<double>(timed);
  return found;
}

}  // namespace palimpsest
