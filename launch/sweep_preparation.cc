#include "launch/sweep_preparation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "launch/kept_snapshots.h"
#include "launch/cancellation.h"
#include "launch/kind_of_definition.h"
#include "launch/provenance.h"
#include "launch/sweep_standing.h"
#include "runtime/device.h"
#include "runtime/durable_file.h"
#include "runtime/log.h"
#include "runtime/words.h"
#include "sweeps/claim_check.h"
#include "sweeps/growing.h"

namespace palimpsest {
namespace {

constexpr double kPatienceSeconds = 5;     // for a coordinator that ends because its launcher was killed

bool in_slice(const SweepRequest& request, std::int64_t number) { return number % request.slices == request.slice - 1; }

using Numbers = std::vector<std::int64_t>;   // of runs, ascending

Numbers numbers_of_slice(const Plan& plan, const SweepRequest& request) {
  Numbers numbers;
  for (std::int64_t number = 0; number < plan.size(); ++number)
    if (in_slice(request, number)) numbers.push_back(number);
  if (numbers.empty())
    throw InputError(fmt::format("--slice {}/{}: the sweep has {} runs, so this slice has none. Take fewer slices.", request.slice, request.slices, plan.size()));
  return numbers;
}

void refuse_slice_of_growth(const Plan& plan, const SweepRequest& request) {
  if (plan.definition().replication && request.slices > 1)
    throw InputError(fmt::format("{}: with [replicate] results decide what is run next, and a slice sees only its own. Leave --slice out, or say sweep.image_sets in "
                                 "place of [replicate].", plan.definition().file.string()));
}

/// What rank 0, the first of its host, computes on. A study that computes on the CPU leaves a GPU alone.
void choose_device(const Study& study, const std::string& choice) {
  if (!study.on_gpu && choice.starts_with("cuda"))
    throw InputError(fmt::format("--device {}: the study {} computes on the CPU alone. Leave --device out.", choice, study.name));
  use_device(study.on_gpu || choice != "auto" ? choice : "cpu", /*local_rank=*/0);
}

/// The claims of the definition, with what the ledger knows of them; in a ledger that has results already, one it does not know is exploratory.
std::vector<LedgerClaim> claims_of(const Definition& definition, const Ledger& ledger, bool has_results) {
  std::vector<LedgerClaim> claims;
  const auto known = has_results ? ledger.claims() : std::vector<LedgerClaim>{};
  for (const Claim& claim : definition.claims) {
    const auto found = std::ranges::find(known, claim.hash, [](const LedgerClaim& one) { return one.claim.hash; });
    claims.push_back({claim, found == known.end() ? has_results : found->exploratory});
  }
  for (const LedgerClaim& gone : known)
    if (!gone.exploratory && std::ranges::find(definition.claims, gone.claim.hash, &Claim::hash) == definition.claims.end())
      claims.push_back({gone.claim, false, true});
  return claims;
}

Growth growth_of(const Plan& plan, const Ledger& ledger) {
  const Definition& definition = plan.definition();
  Rows rows;
  std::vector<LedgerRun> runs = ledger.runs(true);
  const bool has_results = std::ranges::any_of(runs, [](const LedgerRun& run) { return run.state == RunState::kDone; });
  if (has_results) rows = rows_of(ledger, *definition.study);
  rows.unit = definition.study->unit;
  rows.runs = std::move(runs);
  rows.axes = swept_keys(definition);
  rows.when = whens_of(definition);
  rows.claims = claims_of(definition, ledger, has_results);
  return grown(plan, std::move(rows));
}

/// What was asked for before stays so: units are added and never taken back, also where failed runs of the first ones run again.
Numbers with_those_asked_before(Numbers numbers, const Plan& plan, const Ledger& ledger) {
  std::set<RunId> before;
  for (const LedgerRun& run : ledger.runs()) before.insert(run.spec.id);
  Numbers all;
  for (std::int64_t number = 0; number < plan.size(); ++number)
    if (std::ranges::binary_search(numbers, number) || before.contains(plan.run_at(number).id)) all.push_back(number);
  return all;
}

/// What is asked for: all of the plan, a slice of it, or what the results of a growing sweep ask for so far.
Numbers asked_numbers(const Plan& plan, const SweepRequest& request, Ledger& ledger) {
  if (!plan.definition().replication) return numbers_of_slice(plan, request);
  if (request.retry_failed) ledger.retry_failed();
  if (request.retry_quarantined) ledger.retry_quarantined();
  return with_those_asked_before(growth_of(plan, ledger).asked, plan, ledger);
}

std::vector<RunSpec> runs_of(const Plan& plan, const Numbers& numbers) {
  std::vector<RunSpec> runs;
  for (const std::int64_t number : numbers) runs.push_back(plan.run_at(number));
  return runs;
}

/// What an edited definition, or another sweep into the same folder, no longer asks for; empty where that is nothing.
std::string what_is_left(const Ledger& ledger, const Definition& definition, const std::vector<RunSpec>& runs) {
  const auto before = ledger.runs_with({});
  if (before.empty()) return {};
  std::set<RunId> asked;
  for (const RunSpec& run : runs) asked.insert(run.id);
  const auto runs_left = std::ranges::count_if(before, [&](const LedgerRun& run) { return !asked.contains(run.spec.id); });
  const auto claims_left = std::ranges::count_if(ledger.claims(), [&](const LedgerClaim& one) {
    return !one.withdrawn && std::ranges::find(definition.claims, one.claim.hash, &Claim::hash) == definition.claims.end();
  });
  std::string was = ledger.name() == definition.name ? "" : fmt::format("was \"{}\"; ", ledger.name());
  if (runs_left + claims_left > 0)
    return fmt::format("{}{}, {} no longer asked for: runs are kept, and left out of the report", was, counted(runs_left, "run"), counted(claims_left, "claim"));
  return was.empty() ? was : was + "all its runs and claims are asked for still";
}

void record(Ledger& ledger, const SweepRequest& request, const Plan& plan, const std::vector<RunSpec>& runs, const Numbers& numbers, const Crew& crew) {
  const std::string left = what_is_left(ledger, plan.definition(), runs);
  ledger.record_definition(plan.definition(), runs, provenance(crew.ranks), {request.slice, request.slices}, numbers);   // refuses other slices
  if (!left.empty()) log().warn("{}", left);
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
  for (std::size_t i = 0; i < signatures.size(); ++i) numbers[signatures[i]] = static_cast<int>(i);
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

/// Runs that a growing sweep may come to ask for are known to the coordinator from the start.
void name_all(const Plan& plan, Standing& standing) {
  for (std::int64_t number = 0; number < plan.size(); ++number) standing.ids[static_cast<std::size_t>(number)] = plan.run_at(number).id;
}

void tell_growth(const Plan& plan, const Growth& growth) {
  const std::string units = fmt::format("{} {}s", growth.units, plan.definition().study->unit == "seed" ? "seed" : "image set");
  if (growth.open.empty()) log().info("every claim is decided with {}", units);
  else if (growth.ended) log().info("no units are left to add after {}; open: {}", units, fmt::join(growth.open, "; "));
  else log().info("on to {}; open: {}", units, fmt::join(growth.open, "; "));
}

std::function<bool(std::int64_t)> among(const Numbers& numbers) {
  return [&numbers](std::int64_t number) { return std::ranges::binary_search(numbers, number); };
}

}  // namespace

std::vector<Pack> next_packs(PreparedSweep& sweep, const Crew& crew) {
  const Growth growth = growth_of(sweep.plan, sweep.ledger);
  tell_growth(sweep.plan, growth);
  if (growth.ended) return {};
  const Numbers numbers = with_those_asked_before(growth.asked, sweep.plan, sweep.ledger);
  const auto runs = runs_of(sweep.plan, numbers);
  sweep.ledger.record_definition(sweep.plan.definition(), runs, provenance(crew.ranks), {}, numbers);   // a growing sweep has no slices
  Standing standing = standing_of(sweep.ledger, sweep.plan, runs, among(numbers));
  sweep.total = static_cast<std::int64_t>(runs.size());
  return with_signatures(sweep.plan, packs_of(sweep.plan, standing, {}, crew, sweep.notes), sweep.signatures);
}

PreparedSweep prepare_sweep(const SweepRequest& request, const Crew& crew) {
  Definition definition = read_sweep(request.file, request.overrides);
  refuse_cost_without_price(request.limits, definition.device_hour);
  choose_device(*definition.study, request.device);
  Plan plan(std::move(definition));
  const auto warnings = warnings_of_claims(plan);
  refuse_slice_of_growth(plan, request);
  if (request.slices > 1) numbers_of_slice(plan, request);   // refuses an empty one before anything is written
  prepare_folder(request.out);
  Ledger ledger = Ledger::open_for_writing(request.out, kPatienceSeconds);
  forget_cancel(request.out);
  open_log(0, request.out);
  for (const std::string& warning : warnings) log().warn("{}", warning);
  const Numbers numbers = asked_numbers(plan, request, ledger);
  const std::vector<RunSpec> runs = runs_of(plan, numbers);
  record(ledger, request, plan, runs, numbers, crew);
  Standing standing = standing_of(ledger, plan, runs, among(numbers));
  if (plan.definition().replication) name_all(plan, standing);
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
  Coordinator coordinator = coordinate({compact(standing.ids), std::move(packs), std::move(standing.tries), next_pack, crew.ranks});
  coordinator.growing = plan.definition().replication.has_value();
  return {std::move(plan), std::move(ledger), std::move(coordinator), std::move(signatures), std::move(notes),
          static_cast<std::int64_t>(runs.size()), standing.done, standing.failed, standing.quarantined, static_cast<std::int64_t>(largest)};
}

}  // namespace palimpsest
