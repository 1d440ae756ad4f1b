#include "launch/sweep_preparation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "launch/kept_snapshots.h"
#include "launch/cancellation.h"
#include "launch/provenance.h"
#include "launch/sweep_standing.h"
#include "runtime/device.h"
#include "runtime/durable_file.h"
#include "runtime/log.h"
#include "sweeps/claim_check.h"

namespace palimpsest {
namespace {

constexpr double kPatienceSeconds = 5;     // for a coordinator that ends because its launcher was killed

bool in_slice(const SweepRequest& request, std::int64_t number) { return number % request.slices == request.slice - 1; }

std::vector<RunSpec> runs_of(const Plan& plan, const SweepRequest& request) {
  std::vector<RunSpec> runs;
  for (std::int64_t number = 0; number < plan.size(); ++number)
    if (in_slice(request, number)) runs.push_back(plan.run_at(number));
  if (runs.empty())
    throw InputError(fmt::format("--slice {}/{}: the sweep has {} runs, so this slice has none. Take fewer slices.", request.slice, request.slices, plan.size()));
  return runs;
}

void record(Ledger& ledger, const SweepRequest& request, const Plan& plan, const std::vector<RunSpec>& runs, const Crew& crew) {
  ledger.record_definition(plan.definition(), runs, provenance(crew.ranks));
  ledger.end_left_attempts();
  if (request.retry_failed) ledger.retry_failed();
  if (request.retry_quarantined) ledger.retry_quarantined();
  write_durably(request.out / "sweep.toml", plan.definition().source);
  write_durably(request.out / "resolved.toml", resolved_toml(plan.definition()));
}

// On a core, larger packs are no faster; on a GPU they are what keeps it busy.
constexpr std::int64_t kLargestOnCpu = 16, kLargestOnGpu = 4096;
constexpr double kShareOfGpu = 0.6;   // of what is free on it

// Bytes that a worker may give to its pack: of this host's memory, or of the GPU that it shares with others of the ranks here.
std::uint64_t memory_for_packs(int ranks_here) {
  const auto device = compute_device();
  if (device.is_cpu()) return memory_of_worker(ranks_here);
  std::string why_none;
  const int gpus = gpu_count(why_none), ranks_of_one = (ranks_here + gpus - 1) / gpus;
  return static_cast<std::uint64_t>(kShareOfGpu * static_cast<double>(free_memory(device))) / static_cast<std::uint64_t>(ranks_of_one);
}

// As memory and what was found out about packs allow. Where there is much to do it is found out now how fast packs are.
std::map<std::string, std::int64_t> sizes_of(const Plan& plan, const std::vector<std::int64_t>& waiting, const Crew& crew, PackNotes& notes) {
  auto sizes = pack_sizes(plan, waiting, memory_for_packs(crew.on_this_host), compute_device().is_cpu() ? kLargestOnCpu : kLargestOnGpu);
  if (plan.definition().pack_size == 0) measure_packs(plan, waiting, sizes, seconds_to_measure(plan, waiting, crew.ranks), notes);
  return within_notes(std::move(sizes), notes, plan.definition().pack_size == 0);
}

// Those that may have killed their worker come first, in halves of what they were in; the others are cut as planned.
std::vector<std::vector<std::int64_t>> packs_of(const Plan& plan, Standing& standing, const std::vector<std::vector<std::int64_t>>& suspected,
                                                const Crew& crew, PackNotes& notes) {
  std::vector<std::vector<std::int64_t>> packs;
  std::set<std::int64_t> apart;
  for (const auto& together : suspected) {
    std::vector<std::int64_t> runs;
    std::ranges::copy_if(together, std::back_inserter(runs), [&](std::int64_t run) { return standing.waits(run); });
    apart.insert(runs.begin(), runs.end());
    const auto middle = runs.begin() + static_cast<std::ptrdiff_t>((runs.size() + 1) / 2);
    for (auto half : {std::vector(runs.begin(), middle), std::vector(middle, runs.end())})
      if (!half.empty()) packs.push_back(std::move(half));
  }
  std::erase_if(standing.waiting, [&](std::int64_t run) { return apart.contains(run); });
  for (auto& pack : cut_packs(plan, standing.waiting, sizes_of(plan, standing.waiting, crew, notes), crew.ranks)) packs.push_back(std::move(pack));
  return packs;
}

// The ids by number in 16 bytes each.
std::function<RunId(std::int64_t)> compact(const std::vector<RunId>& ids) {
  using Bytes = std::array<unsigned char, 16>;
  const auto all = std::make_shared<std::vector<Bytes>>(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i)
    for (std::size_t byte = 0; byte < 16 && 2 * byte + 1 < ids[i].size(); ++byte) std::from_chars(&ids[i][2 * byte], &ids[i][2 * byte] + 2, (*all)[i][byte], 16);
  return [all](std::int64_t number) {
    constexpr char kDigits[] = "0123456789abcdef";
    RunId id(32, '0');
    for (std::size_t byte = 0; byte < 16; ++byte) {
      const unsigned char value = (*all)[static_cast<std::size_t>(number)][byte];
      id[2 * byte] = kDigits[value >> 4], id[2 * byte + 1] = kDigits[value & 15];
    }
    return id;
  };
}

// Packs with the numbers of their signatures, which are listed in `signatures`.
std::vector<Pack> with_signatures(const Plan& plan, std::vector<std::vector<std::int64_t>> packs, std::vector<std::string>& signatures) {
  std::map<std::string, int> numbers;
  std::map<std::int64_t, int> of_cell;
  std::vector<Pack> signed_packs;
  for (auto& runs : packs) {
    const auto [place, is_new] = of_cell.try_emplace(plan.cell_of(runs.front()), 0);
    if (is_new) {
      const std::string signature = plan.signature_of(runs.front());
      place->second = numbers.try_emplace(signature, static_cast<int>(signatures.size())).first->second;
      if (place->second == static_cast<int>(signatures.size())) signatures.push_back(signature);
    }
    signed_packs.push_back({std::move(runs), place->second});
  }
  return signed_packs;
}

}  // namespace

PreparedSweep prepare_sweep(const SweepRequest& request, const Crew& crew) {
  Plan plan(read_definition(request.file, request.overrides));
  const auto warnings = warnings_of_claims(plan);
  const std::vector<RunSpec> runs = runs_of(plan, request);
  prepare_folder(request.out);
  Ledger ledger = Ledger::open_for_writing(request.out, kPatienceSeconds);
  forget_cancel(request.out);
  open_log(0, request.out);
  for (const std::string& warning : warnings) log().warn("{}", warning);
  record(ledger, request, plan, runs, crew);
  Standing standing = standing_of(ledger, plan, runs, [&](std::int64_t number) { return in_slice(request, number); });
  const auto suspected = suspects_of(standing, ledger.lost_packs());
  quarantine_the_guilty(ledger, standing, request.out);
  tidy_snapshots(request.out, [&](const RunId& id) { return standing.numbers.contains(id); });
  PackNotes notes = read_pack_notes(request.out);
  const PackNotes known = notes;
  std::vector<std::string> signatures;
  auto packs = with_signatures(plan, packs_of(plan, standing, suspected, crew, notes), signatures);
  if (notes != known) write_pack_notes(request.out, notes);
  std::size_t largest = 0;
  for (const Pack& pack : packs) largest = std::max(largest, pack.runs.size());
  const std::int64_t next_pack = ledger.highest_pack() + 1;
  return {std::move(plan), std::move(ledger), coordinate({compact(standing.ids), std::move(packs), std::move(standing.tries), next_pack, crew.ranks}), std::move(signatures), std::move(notes),
          static_cast<std::int64_t>(runs.size()), standing.done, standing.failed, standing.quarantined, static_cast<std::int64_t>(largest)};
}

}  // namespace palimpsest
