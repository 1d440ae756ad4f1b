#include "sweeps/outline.h"

#include <algorithm>

#include "sweeps/condition.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kCellsLookedAt = 20'000;   // each; of more, the axes that change the signature alone

/// Packs by signature, in the order in which they are first met.
std::vector<PackOutline> outline_packs(const PackCutter& packs, const std::map<std::string, std::uint64_t>& memory_of_runs, const PackNotes& notes) {
  std::vector<PackOutline> out;
  for (const PackCutter::Share& share : packs.shares()) {
    const std::string& signature = share.group.signature;
    const auto note = notes.find(signature);
    out.push_back({signature, share.group.size, share.packs, share.smallest(), share.largest(), memory_of_runs.at(signature),
                   note == notes.end() ? std::vector<PackSpeed>() : note->second.speeds});
  }
  return out;
}

/// Values by swept key, in the order in which they are first met.
using SweptValues = std::map<std::string, std::vector<Value>>;

void add_values(const Plan& plan, std::int64_t run, std::map<std::string, SweptValues>& out) {
  SweptValues& values = out[plan.signature_of(run)];
  for (const auto& [key, value] : plan.condition_of(run))
    if (std::ranges::find(values[key], value) == values[key].end()) values[key].push_back(value);
}

// The other keys have the same values in all.
std::map<std::string, SweptValues> values_that_tell_apart(const WaitingRuns& waiting) {
  std::vector<std::string> keys;
  for (const std::size_t axis : waiting.axes())
    for (std::string& key : keys_of_axis(waiting.plan().definition(), axis)) keys.push_back(std::move(key));
  std::map<std::string, SweptValues> out;
  for (const auto& [group, cell] : waiting.combinations())
    for (const auto& [key, value] : condition_of(waiting.plan().settings_of(cell), keys)) {
      auto& values = out[waiting.groups()[group].signature][key];
      if (std::ranges::find(values, value) == values.end()) values.push_back(value);
    }
  return out;
}

std::map<std::string, SweptValues> values_by_signature(const WaitingRuns& runs) {
  const Plan& plan = runs.plan();
  const RunSet& waiting = runs.runs();
  if (plan.kept().size() > kCellsLookedAt) return values_that_tell_apart(runs);
  std::map<std::string, SweptValues> out;
  std::int64_t cell = -1;   // runs of a cell have the same
  for (const RunSet::Range& range : waiting.ranges())
    for (std::int64_t place = range.begin; place < range.end;) {
      const std::int64_t run = waiting.number_at(place);
      if (plan.cell_of(run) != cell) add_values(plan, run, out);
      cell = plan.cell_of(run);
      place += waiting.members_below((cell + 1) * plan.runs_of_cell(), place, range);
    }
  return out;
}

/// Signatures differ because swept keys do: these tell a reader more.
void tell_apart(const WaitingRuns& waiting, std::vector<PackOutline>& outlines) {
  if (outlines.size() < 2) return;
  auto values = values_by_signature(waiting);
  for (const std::string& key : swept_keys(waiting.plan().definition())) {
    const auto of = [&](const PackOutline& pack) { return values[pack.signature][key]; };
    if (std::ranges::all_of(outlines, [&](const PackOutline& pack) { return of(pack) == of(outlines.front()); })) continue;
    for (PackOutline& pack : outlines) pack.differs.emplace_back(key, of(pack));
  }
}

// Of one worker, each pack at the speed of the size measured that is nearest below; 0 where some were not measured.
double seconds_by_speeds(const std::vector<PackOutline>& packs) {
  double seconds = 0;
  for (const PackOutline& pack : packs) {
    double speed = 0;
    for (const PackSpeed& one : pack.speeds)
      if (one.size <= pack.largest) speed = one.runs_per_hour;
    if (speed <= 0) return 0;
    seconds += 3600 * static_cast<double>(pack.runs) / speed;
  }
  return seconds;
}

}  // namespace

Outline outline(const Plan& plan, int workers, std::uint64_t memory, std::optional<Progressed> progressed, double speeds_within, std::int64_t largest) {
  const RunSet left = progressed ? progressed->waiting : RunSet::below(plan.size());
  const WaitingRuns waiting(plan, left);
  const auto memory_of_run = memory_of_runs(waiting);
  auto sizes = sizes_within(memory, memory_of_run, largest);
  if (plan.definition().pack_size != 0)
    for (auto& [signature, size] : sizes) size = plan.definition().pack_size;
  PackNotes notes = progressed ? progressed->notes : PackNotes();
  measure_packs(waiting, sizes, speeds_within, notes);
  sizes = within_notes(std::move(sizes), notes, plan.definition().pack_size == 0);
  const PackCutter packs(waiting, sizes, workers);
  Outline out;
  out.waiting = left.size();
  out.workers = workers;
  out.packs = outline_packs(packs, memory_of_run, notes);
  tell_apart(waiting, out.packs);
  const double by_speeds = seconds_by_speeds(out.packs);
  out.from = progressed && progressed->seconds_per_run > 0 ? Outline::From::kLedger : by_speeds > 0 ? Outline::From::kSpeeds : Outline::From::kArithmetic;
  const double alone = out.from == Outline::From::kLedger   ? progressed->seconds_per_run * static_cast<double>(left.size())
                       : out.from == Outline::From::kSpeeds ? by_speeds
                                                            : seconds_of_work(plan, left);
  out.seconds = alone / static_cast<double>(std::clamp<std::int64_t>(packs.packs(), 1, workers));
  out.cost = out.seconds / 3600 * workers * plan.definition().device_hour;
  out.warnings = design_warnings(plan.definition());
  out.progressed = std::move(progressed);
  return out;
}

}  // namespace palimpsest
