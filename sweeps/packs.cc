#include <algorithm>
#include <numeric>

#include "runtime/host_memory.h"
#include "sweeps/plan.h"
#include "sweeps/throughput.h"

namespace palimpsest {
namespace {

constexpr double kShareOfTime = 0.02, kLeastBudget = 3;   // of the sweep's time, and seconds, that measuring a signature may take
constexpr double kShareOfMemory = 0.6;  // of what is free; the rest is for shared weights, and for others

/// Waiting runs of one signature, and into how many packs they are cut.
struct Group {
  std::string signature;
  std::vector<std::int64_t> runs;
  std::int64_t packs = 1;

  std::int64_t largest_pack() const { return (size() + packs - 1) / packs; }
  std::int64_t size() const { return static_cast<std::int64_t>(runs.size()); }
};

/// In the order in which the signatures are first met. Runs of a cell share their signature, so it is asked once a cell.
std::vector<Group> groups_of(const Plan& plan, const std::vector<std::int64_t>& waiting) {
  std::vector<Group> groups;
  std::map<std::string, std::size_t> of_signature;
  std::map<std::int64_t, std::size_t> of_cell;
  for (const std::int64_t run : waiting) {
    auto place = of_cell.find(plan.cell_of(run));
    if (place == of_cell.end()) {
      const std::string signature = plan.signature_of(run);
      const auto [found, is_new] = of_signature.emplace(signature, groups.size());
      if (is_new) groups.push_back({signature, {}, 1});
      place = of_cell.emplace(plan.cell_of(run), found->second).first;
    }
    groups[place->second].runs.push_back(run);
  }
  return groups;
}

std::int64_t packs_of(const std::vector<Group>& groups) {
  return std::accumulate(groups.begin(), groups.end(), std::int64_t{0}, [](std::int64_t sum, const Group& g) { return sum + g.packs; });
}

/// One pack more, where packs are largest: until every worker has one in every round, or there is nothing left to cut.
void even_out(std::vector<Group>& groups, int workers) {
  while (packs_of(groups) % std::max(workers, 1) != 0) {
    const auto coarsest = std::max_element(groups.begin(), groups.end(),
                                           [](const Group& a, const Group& b) { return a.largest_pack() < b.largest_pack(); });
    if (coarsest->largest_pack() <= 1) return;
    ++coarsest->packs;
  }
}

void cut(const Group& group, std::vector<std::vector<std::int64_t>>& packs) {
  for (std::int64_t pack = 0; pack < group.packs; ++pack) {
    const auto begin = group.runs.begin() + group.size() * pack / group.packs;
    const auto end = group.runs.begin() + group.size() * (pack + 1) / group.packs;
    packs.emplace_back(begin, end);
  }
}

}  // namespace

std::vector<std::vector<std::int64_t>> cut_packs(const Plan& plan, const std::vector<std::int64_t>& waiting,
                                                 const std::map<std::string, std::int64_t>& pack_size, int workers) {
  std::vector<Group> groups = groups_of(plan, waiting);
  for (Group& group : groups) {
    const auto given = pack_size.find(group.signature);
    const std::int64_t most = given == pack_size.end() ? 1 : std::max<std::int64_t>(given->second, 1);
    group.packs = (group.size() + most - 1) / most;
  }
  even_out(groups, workers);
  std::vector<std::vector<std::int64_t>> packs;
  for (const Group& group : groups) cut(group, packs);
  return packs;
}

std::map<std::string, std::uint64_t> memory_of_runs(const Plan& plan, const std::vector<std::int64_t>& waiting) {
  std::map<std::string, std::uint64_t> bytes;
  for (const Group& group : groups_of(plan, waiting))
    bytes[group.signature] = plan.definition().study->probe_memory(plan.run_at(group.runs.front()));
  return bytes;
}

std::map<std::string, std::int64_t> sizes_within(std::uint64_t memory, const std::map<std::string, std::uint64_t>& memory_of_runs,
                                                 std::int64_t largest) {
  std::map<std::string, std::int64_t> sizes;
  for (const auto& [signature, bytes] : memory_of_runs)
    sizes[signature] = std::clamp<std::int64_t>(static_cast<std::int64_t>(memory / std::max<std::uint64_t>(bytes, 1)), 1, largest);
  return sizes;
}

std::map<std::string, std::int64_t> pack_sizes(const Plan& plan, const std::vector<std::int64_t>& waiting, std::uint64_t memory,
                                               std::int64_t largest) {
  if (plan.definition().pack_size == 0) return sizes_within(memory, memory_of_runs(plan, waiting), largest);
  std::map<std::string, std::int64_t> sizes;
  for (const Group& group : groups_of(plan, waiting)) sizes[group.signature] = plan.definition().pack_size;
  return sizes;
}

// Runs of a cell take the same.
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

void measure_packs(const Plan& plan, const std::vector<std::int64_t>& waiting, const std::map<std::string, std::int64_t>& sizes, double seconds,
                   PackNotes& notes) {
  const std::vector<Group> groups = groups_of(plan, waiting);
  const double budget = seconds / static_cast<double>(std::max<std::size_t>(groups.size(), 1));
  for (const Group& group : groups) {
    if (budget < kLeastBudget || sizes.at(group.signature) < 2 || !notes[group.signature].speeds.empty()) continue;
    std::vector<RunSpec> runs;
    for (std::int64_t i = 0; i < std::min(group.size(), sizes.at(group.signature)); ++i) runs.push_back(plan.run_at(group.runs[static_cast<std::size_t>(i)]));
    notes[group.signature].speeds = measure_speeds(*plan.definition().study, runs, budget);
  }
}

double seconds_to_measure(const Plan& plan, const std::vector<std::int64_t>& waiting, int workers) {
  return kShareOfTime * seconds_of_work(plan, waiting) / std::max(workers, 1);
}

std::map<std::string, std::int64_t> within_notes(std::map<std::string, std::int64_t> sizes, const PackNotes& notes, bool fastest) {
  for (auto& [signature, size] : sizes) {
    const auto note = notes.find(signature);
    if (note == notes.end()) continue;
    if (note->second.most > 0) size = std::min(size, note->second.most);
    if (fastest && !note->second.speeds.empty()) size = std::min(size, fastest_size(note->second.speeds));
  }
  return sizes;
}

std::uint64_t memory_of_worker(int workers_on_host) {
  return static_cast<std::uint64_t>(kShareOfMemory * static_cast<double>(available_memory())) / static_cast<std::uint64_t>(workers_on_host);
}

}  // namespace palimpsest
