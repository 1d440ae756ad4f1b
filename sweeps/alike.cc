#include "sweeps/alike.h"

#include <functional>
#include <map>

namespace palimpsest {

std::vector<Alike> alike(const std::vector<RunSpec>& runs, Snapshots* snapshots) {
  std::map<std::int64_t, Alike, std::greater<>> by_step;
  for (const RunSpec& run : runs) {
    auto saved = snapshots ? snapshots->saved(run.id) : std::nullopt;
    Alike& group = by_step[saved ? saved->step : -1];
    group.runs.push_back(run);
    if (saved) group.snapshots.push_back(std::move(*saved));
  }
  std::vector<Alike> groups;
  for (auto& [step, group] : by_step) groups.push_back(std::move(group));
  return groups;
}

}  // namespace palimpsest
