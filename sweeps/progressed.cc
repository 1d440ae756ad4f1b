#include <unordered_map>
#include <unordered_set>

#include "sweeps/ledger.h"
#include "sweeps/outline.h"

namespace palimpsest {

std::optional<Progressed> progressed_in(const std::filesystem::path& folder, const Plan& plan) {
  if (!std::filesystem::exists(folder / "ledger.sqlite")) return std::nullopt;
  std::unordered_map<RunId, RunState> states;
  std::unordered_set<RunId> quarantined;
  Progressed found;
  found.folder = folder.string();
  double seconds = 0;
  std::int64_t timed = 0;
  for (const LedgerRun& run : Ledger::open_for_reading(folder).runs(true)) {
    states.emplace(run.spec.id, run.state);
    if (run.quarantined) quarantined.insert(run.spec.id);
    if (run.state == RunState::kDone) seconds += run.seconds, ++timed;
  }
  std::int64_t known = 0;
  for (std::int64_t number = 0; number < plan.size(); ++number) {
    const RunId id = plan.run_at(number).id;
    const auto state = states.find(id);
    found.quarantined += static_cast<std::int64_t>(quarantined.count(id));
    known += state != states.end();
    if (state == states.end() || state->second == RunState::kWaiting) found.waiting.push_back(number);
    else ++(state->second == RunState::kDone ? found.done : found.failed);
  }
  found.is_new = plan.size() - known;
  found.notes = read_pack_notes(folder);
  found.not_asked = static_cast<std::int64_t>(states.size()) - known;
  if (timed) found.seconds_per_run = seconds / static_cast<double>(timed);
  return found;
}

}  // namespace palimpsest
