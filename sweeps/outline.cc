#include "sweeps/outline.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace palimpsest {
namespace {

std::vector<std::int64_t> all_of(const Plan& plan) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(plan.size()));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

/// Packs by signature, in the order in which they are first met.
std::vector<PackOutline> outline_packs(const Plan& plan, const std::vector<std::vector<std::int64_t>>& packs,
                                       const std::map<std::string, std::uint64_t>& memory_of_runs, const PackNotes& notes) {
  std::vector<PackOutline> out;
  for (const auto& pack : packs) {
    const std::string signature = plan.signature_of(pack.front());
    auto found = std::find_if(out.begin(), out.end(), [&](const PackOutline& one) { return one.signature == signature; });
    const auto size = static_cast<std::int64_t>(pack.size());
    if (found == out.end()) {
      const auto note = notes.find(signature);
      out.push_back({signature, 0, 0, size, size, memory_of_runs.at(signature), note == notes.end() ? std::vector<PackSpeed>() : note->second.speeds});
      found = out.end() - 1;
    }
    found->runs += size;
    found->packs += 1;
    found->smallest = std::min(found->smallest, size);
    found->largest = std::max(found->largest, size);
  }
  return out;
}

/// Values by swept key, in the order in which they are first met.
using SweptValues = std::map<std::string, std::vector<Value>>;

std::map<std::string, SweptValues> values_by_signature(const Plan& plan, const std::vector<std::vector<std::int64_t>>& packs) {
  std::map<std::string, SweptValues> out;
  std::set<std::int64_t> seen;
  for (const auto& pack : packs) {
    SweptValues& values = out[plan.signature_of(pack.front())];
    for (const std::int64_t run : pack) {
      if (!seen.insert(plan.cell_of(run)).second) continue;   // runs of a cell have the same
      for (const auto& [key, value] : plan.condition_of(run))
        if (std::ranges::find(values[key], value) == values[key].end()) values[key].push_back(value);
    }
  }
  return out;
}

/// Signatures differ because swept keys do: these tell a reader more.
void tell_apart(const Plan& plan, const std::vector<std::vector<std::int64_t>>& packs, std::vector<PackOutline>& outlines) {
  if (outlines.size() < 2) return;
  const auto values = values_by_signature(plan, packs);
  for (const std::string& key : swept_keys(plan.definition())) {
    const auto of = [&](const PackOutline& pack) { return values.at(pack.signature).at(key); };
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

Outline outline(const Plan& plan, int workers, std::uint64_t memory, std::optional<Progressed> progressed, double speeds_within) {
  const std::vector<std::int64_t> waiting = progressed ? progressed->waiting : all_of(plan);
  const auto memory_of_run = memory_of_runs(plan, waiting);
  auto sizes = sizes_within(memory, memory_of_run);
  if (plan.definition().pack_size != 0)
    for (auto& [signature, size] : sizes) size = plan.definition().pack_size;
  PackNotes notes = progressed ? progressed->notes : PackNotes();
  measure_packs(plan, waiting, sizes, speeds_within, notes);
  sizes = within_notes(std::move(sizes), notes, plan.definition().pack_size == 0);
  const auto packs = cut_packs(plan, waiting, sizes, workers);
  Outline out;
  out.waiting = static_cast<std::int64_t>(waiting.size());
  out.workers = workers;
  out.packs = outline_packs(plan, packs, memory_of_run, notes);
  tell_apart(plan, packs, out.packs);
  const double by_speeds = seconds_by_speeds(out.packs);
  out.from = progressed && progressed->seconds_per_run > 0 ? Outline::From::kLedger : by_speeds > 0 ? Outline::From::kSpeeds : Outline::From::kArithmetic;
  const double alone = out.from == Outline::From::kLedger   ? progressed->seconds_per_run * static_cast<double>(waiting.size())
                       : out.from == Outline::From::kSpeeds ? by_speeds
                                                            : seconds_of_work(plan, waiting);
  out.seconds = alone / static_cast<double>(std::clamp<std::size_t>(packs.size(), 1, static_cast<std::size_t>(workers)));
  out.cost = out.seconds / 3600 * workers * plan.definition().device_hour;
  out.warnings = design_warnings(plan.definition());
  out.progressed = std::move(progressed);
  return out;
}

}  // namespace palimpsest
