#include "sweeps/packs.h"

#include <algorithm>
#include <numeric>

#include "runtime/host_memory.h"
#include "sweeps/throughput.h"

namespace palimpsest {
namespace {

constexpr double kShareOfTime = 0.02, kLeastBudget = 3;   // of the sweep's time, and seconds, that measuring a signature may take
constexpr double kShareOfMemory = 0.6;  // of what is free; the rest is for shared weights, and for others

constexpr std::int64_t kCellsAsked = 1000;   // for their arithmetic

}  // namespace

PackCutter::PackCutter(WaitingRuns waiting, const std::map<std::string, std::int64_t>& pack_size, int workers) : waiting_(std::move(waiting)) {
  for (const RunGroup& group : waiting_.groups()) {
    const auto given = pack_size.find(group.signature);
    const std::int64_t most = given == pack_size.end() ? 1 : std::max<std::int64_t>(given->second, 1);
    shares_.push_back({group, (group.size + most - 1) / most});
  }
  even_out(workers);
}

std::int64_t PackCutter::packs() const {
  return std::accumulate(shares_.begin(), shares_.end(), std::int64_t{0}, [](std::int64_t sum, const Share& share) { return sum + share.packs; });
}

std::int64_t PackCutter::largest() const {
  std::int64_t most = 0;
  for (const Share& share : shares_) most = std::max(most, share.largest());
  return most;
}

/// One pack more, where packs are largest: until every worker has one in every round, or there is nothing left to cut.
void PackCutter::even_out(int workers) {
  while (packs() % std::max(workers, 1) != 0) {
    const auto coarsest = std::ranges::max_element(shares_, {}, &Share::largest);
    if (coarsest->largest() <= 1) return;
    ++coarsest->packs;
  }
}

PackCutter::Cut PackCutter::cut(Share& share) {
  const std::int64_t begin = share.group.size * pack_ / share.packs, end = share.group.size * (pack_ + 1) / share.packs;
  Cut cut{waiting_.next(walk_, end - begin), share.group.signature};
  if (++pack_ == share.packs) pack_ = 0, walk_ = {walk_.group + 1, 0, -1};
  if (!waiting_.exact()) set_odd_aside(cut);
  return cut;
}

// Its cells were taken to share a signature; each is asked now.
void PackCutter::set_odd_aside(Cut& cut) {
  const Plan& plan = waiting_.plan();
  std::int64_t cell = -1;
  std::string signature;
  std::erase_if(cut.runs, [&](std::int64_t run) {
    if (plan.cell_of(run) != cell) cell = plan.cell_of(run), signature = plan.signature_of(run);
    if (signature == cut.signature) return false;
    odd_.push_back({{run}, signature});
    return true;
  });
}

std::optional<PackCutter::Cut> PackCutter::next() {
  while (walk_.group < shares_.size())
    if (Cut found = cut(shares_[walk_.group]); !found.runs.empty()) return found;
  if (odd_.empty()) return std::nullopt;
  Cut last = std::move(odd_.back());
  odd_.pop_back();
  return last;
}

std::vector<std::vector<std::int64_t>> cut_packs(const WaitingRuns& waiting, const std::map<std::string, std::int64_t>& pack_size, int workers) {
  std::vector<std::vector<std::int64_t>> packs;
  PackCutter cutter(waiting, pack_size, workers);
  while (auto cut = cutter.next()) packs.push_back(std::move(cut->runs));
  return packs;
}

std::map<std::string, std::uint64_t> memory_of_runs(const WaitingRuns& waiting) {
  std::map<std::string, std::uint64_t> bytes;
  for (const RunGroup& group : waiting.groups()) bytes[group.signature] = waiting.plan().definition().study->probe_memory(waiting.plan().run_at(group.first));
  return bytes;
}

std::map<std::string, std::int64_t> sizes_within(std::uint64_t memory, const std::map<std::string, std::uint64_t>& memory_of_runs,
                                                 std::int64_t largest) {
  std::map<std::string, std::int64_t> sizes;
  for (const auto& [signature, bytes] : memory_of_runs)
    sizes[signature] = std::clamp<std::int64_t>(static_cast<std::int64_t>(memory / std::max<std::uint64_t>(bytes, 1)), 1, largest);
  return sizes;
}

std::map<std::string, std::int64_t> pack_sizes(const WaitingRuns& waiting, std::uint64_t memory, std::int64_t largest) {
  const std::int64_t given = waiting.plan().definition().pack_size;
  if (given == 0) return sizes_within(memory, memory_of_runs(waiting), largest);
  std::map<std::string, std::int64_t> sizes;
  for (const RunGroup& group : waiting.groups()) sizes[group.signature] = given;
  return sizes;
}

namespace {

double work_of(const Plan& plan, std::int64_t run) { return plan.definition().study->work(plan.settings_of(plan.place_of(run).cell)); }

// Of all of them, cell after cell; nothing where there are too many. Runs of a cell take the same.
std::optional<double> work_of_each(const Plan& plan, const RunSet& runs) {
  double work = 0;
  std::int64_t cells = 0;
  for (const RunSet::Range& range : runs.ranges())
    for (std::int64_t place = range.begin; place < range.end;) {
      if (++cells > kCellsAsked) return std::nullopt;
      const std::int64_t run = runs.number_at(place), here = runs.members_below((plan.cell_of(run) + 1) * plan.runs_of_cell(), place, range);
      work += work_of(plan, run) * static_cast<double>(here);
      place += here;
    }
  return work;
}

}  // namespace

double seconds_of_work(const Plan& plan, const RunSet& runs) {
  if (const auto work = work_of_each(plan, runs)) return *work / kWorkPerSecond;
  double work = 0;
  for (std::int64_t i = 0; i < kCellsAsked; ++i) work += work_of(plan, runs.nth(i * (runs.size() - 1) / (kCellsAsked - 1)));
  return work / static_cast<double>(kCellsAsked) * static_cast<double>(runs.size()) / kWorkPerSecond;
}

void measure_packs(const WaitingRuns& waiting, const std::map<std::string, std::int64_t>& sizes, double seconds, PackNotes& notes) {
  const auto& groups = waiting.groups();
  const double budget = seconds / static_cast<double>(std::max<std::size_t>(groups.size(), 1));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string& signature = groups[i].signature;
    if (budget < kLeastBudget || sizes.at(signature) < 2 || !notes[signature].speeds.empty()) continue;
    std::vector<RunSpec> runs;
    WaitingRuns::Walk walk{i, 0, -1};
    for (const std::int64_t run : waiting.next(walk, sizes.at(signature))) runs.push_back(waiting.plan().run_at(run));
    notes[signature].speeds = measure_speeds(*waiting.plan().definition().study, runs, budget);
  }
}

double seconds_to_measure(const WaitingRuns& waiting, int workers) {
  return kShareOfTime * seconds_of_work(waiting.plan(), waiting.runs()) / std::max(workers, 1);
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
