#include <algorithm>

#include "sweeps/ledger.h"
#include "sweeps/outline.h"

namespace palimpsest {
namespace {

// How many runs that an earlier plan asked for are in this one, under whatever number. Runs of a cell and an image set are there or not together, as far as
// there are seeds.
std::int64_t count_common(const Ledger& ledger, const RunSet& left, const Plan& plan) {
  if (left.empty()) return 0;
  const Plan& before = ledger.plan();
  RunFinder finder(plan);
  RunMaker maker(before);
  const std::int64_t seeds = before.definition().seeds;
  std::int64_t common = 0;
  for (const RunSet::Range& range : left.ranges())
    for (std::int64_t place = range.begin; place < range.end;) {
      const std::int64_t number = left.number_at(place), here = left.members_below((number / seeds + 1) * seeds, place, range);
      const std::int64_t with_a_seed = std::clamp<std::int64_t>(left.members_below(number / seeds * seeds + plan.definition().seeds, place, range), 0, here);
      const RunPlace of = before.place_of(number);
      if (with_a_seed > 0 && finder.number_of(maker.id_at(number), of.cell, [&] { return before.settings_of(of.cell); }, of.image_set, of.seed)) common += with_a_seed;
      place += here;
    }
  return common;
}

}  // namespace

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
  const RunSet left = ledger.never_handed_out();
  const bool same = !left.empty() && ledger.plan().fingerprint() == plan.fingerprint();
  const std::int64_t common = same ? left.size() : count_common(ledger, left, plan);
  found.not_asked += left.size() - common;
  found.is_new = plan.size() - known - common;
  if (timed) found.seconds_per_run = seconds / static_cast<double>(timed);
  return found;
}

}  // namespace palimpsest
