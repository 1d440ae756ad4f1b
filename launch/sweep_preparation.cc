#include "launch/sweep_preparation.h"

#include <algorithm>
#include <functional>
#include <memory>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "launch/kept_snapshots.h"
#include "launch/cancellation.h"
#include "launch/kind_of_definition.h"
#include "launch/pack_room.h"
#include "launch/provenance.h"
#include "launch/sweep_standing.h"
#include "runtime/durable_file.h"
#include "runtime/log.h"
#include "runtime/words.h"
#include "sweeps/claim_check.h"
#include "sweeps/common_runs.h"
#include "sweeps/growing.h"

namespace palimpsest {
namespace {

constexpr double kPatienceSeconds = 5;     // for a coordinator that ends because its launcher was killed

RunSet runs_of_slice(const Plan& plan, const SweepRequest& request) {
  const RunSet runs = RunSet::below(plan.size(), request.slice - 1, request.slices);
  if (runs.empty())
    throw InputError(fmt::format("--slice {}/{}: the sweep has {} runs, so this slice has none. Take fewer slices.", request.slice, request.slices, plan.size()));
  return runs;
}

void refuse_slice_of_growth(const Plan& plan, const SweepRequest& request) {
  if (plan.definition().replication && request.slices > 1)
    throw InputError(fmt::format("{}: with [replicate] results decide what is run next, and a slice sees only its own. Leave --slice out, or say sweep.image_sets in "
                                 "place of [replicate].", plan.definition().file.string()));
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
  std::vector<LedgerRun> runs = ledger.runs_handed_out(true);
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
RunSet with_those_asked_before(std::vector<std::int64_t> numbers, const Plan& plan, const Ledger& ledger, bool has_definition) {
  if (!has_definition) return numbers;
  ledger.for_each_row(plan, [&](const RunRow& run) {
    if (run.was_asked && run.number >= 0) numbers.push_back(run.number);
  });
  if (const RunSet left = ledger.without_row(); !left.empty()) {
    CommonRuns common(ledger.plan(), plan);
    for (const std::int64_t number : left.numbers())
      if (const auto here = common.number_of(number)) numbers.push_back(*here);
  }
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

/// What is asked for: all of the plan, a slice of it, or what the results of a growing sweep ask for so far.
RunSet asked_runs(const Plan& plan, const SweepRequest& request, Ledger& ledger) {
  if (!plan.definition().replication) return runs_of_slice(plan, request);
  if (request.retry_failed) ledger.retry_failed();
  if (request.retry_quarantined) ledger.retry_quarantined();
  return with_those_asked_before(growth_of(plan, ledger).asked, plan, ledger, ledger.has_definition());
}

/// What an edited definition, or another sweep into the same folder, no longer asks for; empty where that is nothing.
std::string what_is_left(const Ledger& ledger, const Plan& plan, const RunSet& asked) {
  if (!ledger.has_definition()) return {};
  const Definition& definition = plan.definition();
  std::int64_t runs_left = 0;
  ledger.for_each_row(plan, [&](const RunRow& run) { runs_left += run.was_asked && (run.number < 0 || !asked.contains(run.number)); });
  const auto claims_left = std::ranges::count_if(ledger.claims(), [&](const LedgerClaim& one) {
    return !one.withdrawn && std::ranges::find(definition.claims, one.claim.hash, &Claim::hash) == definition.claims.end();
  });
  std::string was = ledger.name() == definition.name ? "" : fmt::format("was \"{}\"; ", ledger.name());
  if (runs_left + claims_left > 0)
    return fmt::format("{}{}, {} no longer asked for: runs are kept, and left out of the report", was, counted(runs_left, "run"), counted(claims_left, "claim"));
  return was.empty() ? was : was + "all its runs and claims are asked for still";
}

void record(Ledger& ledger, const SweepRequest& request, const Plan& plan, const RunSet& asked, const RankCount& crew) {
  const std::string left = what_is_left(ledger, plan, asked);
  ledger.record_definition(plan, asked, provenance(crew.ranks), {request.slice, request.slices});   // refuses other slices
  if (!left.empty()) log().warn("{}", left);
  ledger.end_left_attempts();
  if (request.retry_failed) ledger.retry_failed();
  if (request.retry_quarantined) ledger.retry_quarantined();
  write_durably(request.out / "sweep.toml", plan.definition().source);
  write_durably(request.out / "resolved.toml", resolved_toml(plan.definition()));
}

std::map<std::string, std::int64_t> sizes_in_memory(const WaitingRuns& waiting, const RankCount& crew) {
  const PackRoom room = room_for_packs(crew.on_this_host);
  return pack_sizes(waiting, room.bytes, room.largest);
}

// As memory and what was found out about packs allow. Where there is much to do it is found out now how fast packs are.
std::map<std::string, std::int64_t> sizes_of(const WaitingRuns& waiting, const RankCount& crew, PackNotes& notes) {
  auto sizes = sizes_in_memory(waiting, crew);
  const bool free = waiting.plan().definition().pack_size == 0;
  if (free) measure_packs(waiting, sizes, seconds_to_measure(waiting, crew.ranks), notes);
  return within_notes(std::move(sizes), notes, free);
}

using Signatures = std::shared_ptr<std::vector<std::string>>;

int number_of(const std::string& signature, std::vector<std::string>& signatures) {
  const auto known = std::ranges::find(signatures, signature);
  if (known == signatures.end()) return signatures.push_back(signature), static_cast<int>(signatures.size()) - 1;
  return static_cast<int>(known - signatures.begin());
}

using RunLists = std::vector<std::vector<std::int64_t>>;

// Of those that may have killed their worker, only those that wait; they wait with no one else any more.
RunLists set_apart(RunLists suspected, Standing& standing) {
  std::vector<std::int64_t> apart;
  for (auto& together : suspected) {
    std::erase_if(together, [&](std::int64_t run) { return !standing.waiting.contains(run); });
    apart.insert(apart.end(), together.begin(), together.end());
  }
  std::erase_if(suspected, [](const auto& together) { return together.empty(); });
  std::ranges::sort(apart);
  standing.waiting = standing.waiting.without(apart);
  return suspected;
}

// How many of them are computed at once, by signature: what a worker was given may have been more.
std::map<int, std::int64_t> sizes_of_suspects(const Plan& plan, const RunLists& suspected, const RankCount& crew, const PackNotes& notes, const Signatures& signatures) {
  std::vector<std::int64_t> runs;
  for (const auto& together : suspected) runs.insert(runs.end(), together.begin(), together.end());
  if (runs.empty()) return {};
  std::ranges::sort(runs);
  const auto sizes = sizes_in_memory(WaitingRuns(plan, RunSet(runs)), crew);
  std::map<int, std::int64_t> largest;
  for (const auto& [signature, size] : within_notes(sizes, notes, plan.definition().pack_size == 0)) largest[number_of(signature, *signatures)] = size;
  return largest;
}

// The others are cut when their turn comes. The plan is the source's own: the sweep's may move.
struct Cutting {
  Plan plan;
  PackCutter cutter;
  Cutting(const Plan& whole, const RunSet& waiting, const RankCount& crew, PackNotes& notes) : plan(whole), cutter(cutter_of(WaitingRuns(plan, waiting), crew, notes)) {}
  Cutting(const Cutting&) = delete;   // the cutter looks at the plan beside it

  static PackCutter cutter_of(WaitingRuns waiting, const RankCount& crew, PackNotes& notes) {
    const auto sizes = sizes_of(waiting, crew, notes);
    return PackCutter(std::move(waiting), sizes, crew.ranks);
  }
};

PackSource source_of(const std::shared_ptr<Cutting>& cutting, std::int64_t runs, const Signatures& signatures) {
  const auto next = [cutting, signatures]() -> std::optional<Pack> {
    auto cut = cutting->cutter.next();
    if (!cut) return std::nullopt;
    return Pack{std::move(cut->runs), number_of(cut->signature, *signatures)};
  };
  return {next, runs};
}

// Ids are computed as runs are handed out.
std::function<RunId(std::int64_t)> ids_of(const Plan& plan) {
  struct Naming {
    Plan plan;
    RunMaker maker;
    explicit Naming(const Plan& whole) : plan(whole), maker(plan) {}
  };
  return [naming = std::make_shared<Naming>(plan)](std::int64_t number) { return naming->maker.id_at(number); };
}

void tell_growth(const Plan& plan, const Growth& growth) {
  const std::string units = fmt::format("{} {}s", growth.units, plan.definition().study->unit == "seed" ? "seed" : "image set");
  if (growth.open.empty()) log().info("every claim is decided with {}", units);
  else if (growth.ended) log().info("no units are left to add after {}; open: {}", units, fmt::join(growth.open, "; "));
  else log().info("on to {}; open: {}", units, fmt::join(growth.open, "; "));
}

}  // namespace

std::vector<Pack> next_packs(PreparedSweep& sweep, const RankCount& crew) {
  const Growth growth = growth_of(sweep.plan, sweep.ledger);
  tell_growth(sweep.plan, growth);
  if (growth.ended) return {};
  const RunSet asked = with_those_asked_before(growth.asked, sweep.plan, sweep.ledger, true);
  sweep.ledger.record_definition(sweep.plan, asked, provenance(crew.ranks));   // a growing sweep has no slices
  const Standing standing = standing_of(sweep.ledger, sweep.plan, asked);
  sweep.total = asked.size();
  for (const auto& [run, tries] : standing.tries) sweep.coordinator.tries.try_emplace(run, tries);
  const PackSource source = source_of(std::make_shared<Cutting>(sweep.plan, standing.waiting, crew, sweep.notes), standing.waiting.size(), sweep.signatures);
  std::vector<Pack> packs;
  while (auto pack = source.next()) packs.push_back(std::move(*pack));
  return packs;
}

PreparedSweep prepare_sweep(const SweepRequest& request, const RankCount& crew) {
  Definition definition = read_sweep(request.file, request.overrides);
  refuse_cost_without_price(request.limits, definition.device_hour);
  use_device_for(*definition.study, request.device);
  Plan plan(std::move(definition));
  const auto warnings = warnings_of_claims(plan);
  refuse_slice_of_growth(plan, request);
  if (request.slices > 1) runs_of_slice(plan, request);   // refuses an empty one before anything is written
  prepare_folder(request.out);
  Ledger ledger = Ledger::open_for_writing(request.out, kPatienceSeconds);
  forget_cancel(request.out);
  open_log(0, request.out);
  for (const std::string& warning : warnings) log().warn("{}", warning);
  const RunSet asked = asked_runs(plan, request, ledger);
  record(ledger, request, plan, asked, crew);
  Standing standing = standing_of(ledger, plan, asked);
  RunLists suspected = suspects_of(standing, ledger.lost_packs());
  quarantine_the_guilty(ledger, standing, request.out);
  tidy_snapshots(request.out, [&](const RunId& id) { return standing.numbers.contains(id); });
  const std::string machine = machine_of_packs();
  PackNotes notes = read_pack_notes(request.out, machine);
  const PackNotes known = notes;
  const auto signatures = std::make_shared<std::vector<std::string>>();
  suspected = set_apart(std::move(suspected), standing);
  const auto cutting = std::make_shared<Cutting>(plan, standing.waiting, crew, notes);
  if (notes != known) write_pack_notes(request.out, machine, notes);
  std::int64_t largest = cutting->cutter.largest();
  auto suspects_at_once = sizes_of_suspects(plan, suspected, crew, notes, signatures);
  auto first = packs_of_suspects(suspected, suspects_at_once, [&](std::int64_t run) { return number_of(plan.signature_of(run), *signatures); });
  for (const auto& [signature, size] : suspects_at_once) largest = std::max(largest, size);
  const std::int64_t packs = static_cast<std::int64_t>(first.size()) + cutting->cutter.packs(), next_pack = ledger.highest_pack() + 1;
  Coordinator coordinator = coordinate({ids_of(plan), std::move(first), std::move(standing.tries), next_pack, crew.ranks,
                                        source_of(cutting, standing.waiting.size(), signatures), std::move(suspects_at_once)});
  coordinator.growing = plan.definition().replication.has_value();
  return {std::move(plan), std::move(ledger), std::move(coordinator), signatures, std::move(notes),
          asked.size(), standing.done, standing.failed, standing.quarantined, packs, largest};
}

}  // namespace palimpsest
