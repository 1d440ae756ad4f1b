#include "sweeps/outline.h"

#include <algorithm>
#include <numeric>

namespace palimpsest {
namespace {

std::vector<std::int64_t> all_of(const Plan& plan) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(plan.size()));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

/// Packs by signature, in the order in which they are first met.
std::vector<PackOutline> outline_packs(const Plan& plan, const std::vector<std::vector<std::int64_t>>& packs,
                                       const std::map<std::string, std::uint64_t>& memory_of_runs) {
  std::vector<PackOutline> out;
  for (const auto& pack : packs) {
    const std::string signature = plan.signature_of(pack.front());
    auto found = std::find_if(out.begin(), out.end(), [&](const PackOutline& one) { return one.signature == signature; });
    const auto size = static_cast<std::int64_t>(pack.size());
    if (found == out.end()) {
      out.push_back({signature, 0, 0, size, size, memory_of_runs.at(signature)});
      found = out.end() - 1;
    }
    found->runs += size;
    found->packs += 1;
    found->smallest = std::min(found->smallest, size);
    found->largest = std::max(found->largest, size);
  }
  return out;
}

/// Seconds one worker would need for all of them, by the arithmetic a run takes; runs of a cell take the same.
double seconds_of_work(const Plan& plan, const std::vector<std::int64_t>& runs) {
  double work = 0, of_cell = 0;
  std::int64_t cell = -1;
  for (const std::int64_t run : runs) {
    if (plan.cell_of(run) != cell) {
      cell = plan.cell_of(run);
      of_cell = plan.definition().study->work(plan.run_at(run).settings);
    }
    work += of_cell;
  }
  return work / kWorkPerSecond;
}

}  // namespace

Outline outline(const Plan& plan, int workers, std::uint64_t memory, std::optional<Progressed> progressed) {
  const std::vector<std::int64_t> waiting = progressed ? progressed->waiting : all_of(plan);
  const auto memory_of_run = memory_of_runs(plan, waiting);
  auto sizes = sizes_within(memory, memory_of_run);
  if (plan.definition().pack_size != 0)
    for (auto& [signature, size] : sizes) size = plan.definition().pack_size;
  const auto packs = cut_packs(plan, waiting, sizes, workers);
  Outline out;
  out.waiting = static_cast<std::int64_t>(waiting.size());
  out.workers = workers;
  out.packs = outline_packs(plan, packs, memory_of_run);
  out.measured = progressed && progressed->seconds_per_run > 0;
  const double alone = out.measured ? progressed->seconds_per_run * static_cast<double>(waiting.size()) : seconds_of_work(plan, waiting);
  out.seconds = alone / static_cast<double>(std::clamp<std::size_t>(packs.size(), 1, static_cast<std::size_t>(workers)));
  out.warnings = design_warnings(plan.definition());
  out.progressed = std::move(progressed);
  return out;
}

}  // namespace palimpsest
