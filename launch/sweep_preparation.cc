#include "launch/sweep_preparation.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "launch/provenance.h"
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
  if (request.retry_failed) ledger.retry_failed();
  write_durably(request.out / "sweep.toml", plan.definition().source);
  write_durably(request.out / "resolved.toml", resolved_toml(plan.definition()));
}

struct Standing {
  std::vector<RunId> ids;                  // by run number, as all here
  std::vector<int> attempts;
  std::vector<std::int64_t> waiting;
  std::int64_t done = 0, failed = 0;
};

Standing standing_of(const Ledger& ledger, const Plan& plan, const SweepRequest& request, const std::vector<RunSpec>& runs) {
  std::unordered_map<RunId, LedgerRun> known;
  for (LedgerRun& run : ledger.runs()) known.emplace(run.spec.id, std::move(run));
  Standing standing;
  standing.ids.resize(static_cast<std::size_t>(plan.size()));
  standing.attempts.resize(standing.ids.size());
  auto spec = runs.begin();
  for (std::int64_t number = 0; number < plan.size(); ++number) {
    if (!in_slice(request, number)) continue;   // another slice's
    const LedgerRun& run = known.at((spec++)->id);
    standing.ids[static_cast<std::size_t>(number)] = run.spec.id;
    standing.attempts[static_cast<std::size_t>(number)] = run.attempts;
    if (run.state == RunState::kWaiting) standing.waiting.push_back(number);
    standing.done += run.state == RunState::kDone;
    standing.failed += run.state == RunState::kFailed;
  }
  return standing;
}

std::vector<std::vector<std::int64_t>> packs_of(const Plan& plan, const Standing& standing, const Crew& crew) {
  const auto sizes = pack_sizes(plan, standing.waiting, memory_of_worker(crew.on_this_host));
  return cut_packs(plan, standing.waiting, sizes, crew.ranks);
}

}  // namespace

PreparedSweep prepare_sweep(const SweepRequest& request, const Crew& crew) {
  Plan plan(read_definition(request.file, request.overrides));
  const auto warnings = warnings_of_claims(plan);
  const std::vector<RunSpec> runs = runs_of(plan, request);
  prepare_folder(request.out);
  Ledger ledger = Ledger::open_for_writing(request.out, kPatienceSeconds);
  open_log(0, request.out);
  for (const std::string& warning : warnings) log().warn("{}", warning);
  record(ledger, request, plan, runs, crew);
  Standing standing = standing_of(ledger, plan, request, runs);
  auto packs = packs_of(plan, standing, crew);
  std::size_t largest = 0;
  for (const auto& pack : packs) largest = std::max(largest, pack.size());
  const std::int64_t next_pack = ledger.highest_pack() + 1;
  return {std::move(plan), std::move(ledger),
          coordinate(std::move(standing.ids), std::move(packs), std::move(standing.attempts), next_pack),
          static_cast<std::int64_t>(runs.size()), standing.done, standing.failed, static_cast<std::int64_t>(largest)};
}

}  // namespace palimpsest
