#include <charconv>
#include <optional>

#include <fmt/core.h>

#include "launch/commands.h"
#include "launch/coordinator_loop.h"
#include "launch/kept_snapshots.h"
#include "launch/launch_request.h"
#include "launch/pack_room.h"
#include "launch/results_folder.h"
#include "launch/shared_options.h"
#include "launch/sweep_outcome.h"
#include "launch/sweep_preparation.h"
#include "launch/worker_loop.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/low_rank.h"
#include "runtime/mpi_world.h"
#include "runtime/progress.h"
#include "runtime/step_graph.h"
#include "runtime/words.h"
#include "sweeps/ledger_backup.h"
#include "sweeps/kept_networks.h"

namespace palimpsest {
namespace {

constexpr std::chrono::milliseconds kNoGrace{0};   // a worker has nothing to save

std::string resume_words(const SweepRequest& request) {
  return fmt::format("The same command resumes: palimpsest sweep {} --out {}", request.file.string(), request.out.string());
}

void tell_plan(const SweepRequest& request, const PreparedSweep& sweep, int ranks) {
  const Definition& definition = sweep.plan.definition();
  std::string line = fmt::format("{} \"{}\": {}, {} done before, {} failed before{}, {} to do", definition.study->name, definition.name,
             counted(sweep.total, "run"), sweep.done, sweep.failed, sweep.failed ? " (--retry-failed runs them again)" : "",
             sweep.total - sweep.done - sweep.failed - sweep.quarantined);
  if (sweep.quarantined > 0) line += fmt::format(", {} in quarantine (--retry-quarantined)", sweep.quarantined);
  if (sweep.packs > 0) line += fmt::format(" in {} of at most {}, on {}", counted(sweep.packs, "pack"), sweep.largest_pack, counted(ranks, "rank"));
  log().info("{}; results in {}", line, request.out.string());
  for (const std::string& warning : design_warnings(definition)) log().warn("{}", warning);
}

int say_end(const SweepRequest& request, const PreparedSweep& sweep) {
  const std::int64_t done = sweep.done + sweep.coordinator.done, failed = sweep.failed + sweep.coordinator.failed;
  const std::string out = request.out.string();
  const std::int64_t quarantined = sweep.quarantined + sweep.coordinator.quarantined;
  const std::string apart = quarantined > 0 ? fmt::format(", {} in quarantine", quarantined) : "";
  fmt::print("{}: {} done, {} failed{}. Ledger: {}/ledger.sqlite\n", counted(sweep.total, "run"), done, failed, apart, out);
  if (failed > 0) fmt::print("Why they failed: palimpsest status {}. To run them again, add --retry-failed.\n", out);
  if (quarantined > 0) fmt::print("Runs in quarantine were alone with {} workers that were lost. To try them again, add --retry-quarantined.\n", kKillsToQuarantine);
  fmt::print("Next: palimpsest report {}\n", out);
  return failed + quarantined > 0 ? 1 : 0;
}

[[noreturn]] void throw_stopped(const SweepRequest& request, const PreparedSweep& sweep, const std::string& why) {
  throw Interrupted(fmt::format("{}; {} of {} are done. {}", why, sweep.done + sweep.coordinator.done, counted(sweep.total, "run"),
                                resume_words(request)));
}

int coordinate_ranks(const SweepRequest& request, const MpiWorld& world, MpiMail& mail, Peers& peers, Watchdog& watchdog) {
  refuse_folder_of_pretraining(request.out);
  if (!request.backup.empty()) refuse_impossible_folder(request.backup);
  if (!request.backup.empty() && take_up_backup(request.out, request.backup)) log().info("the ledger was taken up from {}", request.backup.string());
  PreparedSweep sweep = prepare_sweep(request, {world.world_size(), world.local_size()});
  tell_plan(request, sweep, world.world_size());
  forget_outcome(request.out);
  std::optional<LedgerBackup> backup;
  if (!request.backup.empty()) backup.emplace(request.out, request.backup, std::chrono::seconds(request.backup_seconds));
  watchdog.set_last_words("a pack did not stop in time; what was committed is safe. " + resume_words(request));
  const Definition& definition = sweep.plan.definition();
  LimitWatch limits(request.limits, request.out, definition.device_hour, world.world_size(), definition.currency);
  std::optional<Progress> progress(std::in_place, "sweep", sweep.total, "runs");
  const RankCount crew{world.world_size(), world.local_size()};
  const std::int64_t before = sweep.done + sweep.failed + sweep.quarantined;
  SweepAtWork work{sweep.plan, sweep.ledger, std::move(sweep.coordinator), request.keep_pictures, request.out, [&](const Coordinator& coordinator) {
                     progress->update(before + static_cast<std::int64_t>(runs_worth_done(coordinator)));
                   },
                   [&](const Shrinkage& shrinkage) {
                     const std::string& signature = sweep.signatures->at(static_cast<std::size_t>(shrinkage.signature));
                     log().warn("a pack of {} runs ran out of memory; packs of at most {} from here on", signature, shrinkage.size);
                     sweep.notes[signature].most = shrinkage.size;
                     write_pack_notes(request.out, machine_of_packs(), sweep.notes);
                   },
                   [&] { return limits.reached(); },
                   [&] {
                     auto packs = next_packs(sweep, crew);
                     if (!packs.empty()) progress.emplace("sweep", sweep.total, "runs");
                     return packs;
                   }};
  const auto why_stopped = run_coordinator(work, mail, peers, watchdog);
  sweep.coordinator = std::move(work.coordinator);
  if (const std::size_t worth = runs_worth_done(sweep.coordinator); worth > 0) {
    progress->update(before + static_cast<std::int64_t>(worth));
    progress->finish();
  }
  write_outcome(request.out, {!why_stopped, sweep.total, sweep.done + sweep.coordinator.done, sweep.failed + sweep.coordinator.failed});
  if (why_stopped) throw_stopped(request, sweep, *why_stopped);
  tidy_snapshots(request.out, [](const RunId&) { return false; });   // a straggler that came second may have left one
  return say_end(request, sweep);
}

// Where MPI outlived the loss of a rank. One that is silent would keep mpirun waiting.
void take_leave(MpiWorld& world, const Peers& peers) {
  if (peers.some_lost) world.go_on_without_some(peers.some_silent);
}

// An error before or in the work is rank 0's to tell; the others go home without a word.
int run_first(const SweepRequest& request, MpiWorld& world, MpiMail& mail) {
  Watchdog watchdog(kNoGrace);
  Peers peers;
  try {
    const int code = coordinate_ranks(request, world, mail, peers, watchdog);
    take_leave(world, peers);
    return code;
  } catch (...) {
    send_home(mail, peers);
    take_leave(world, peers);
    throw;
  }
}

int run_other(const SweepRequest& request, MpiWorld& world, MpiMail& mail) {
  use_device(request.device, world.local_rank());
  Watchdog watchdog(kNoGrace);
  if (!work_for_coordinator(world.rank(), mail, watchdog)) world.go_on_without_some(false);
  return 0;
}

int sweep(const SweepRequest& request, MpiWorld& world) {
  keep_networks_in(std::filesystem::absolute(request.out));
  MpiMail mail(world);
  return world.rank() == 0 ? run_first(request, world, mail) : run_other(request, world, mail);
}

// "3/16"
void read_slice(const std::string& text, SweepRequest& request) {
  const auto bar = text.find('/');
  const auto number = [&](std::string_view part, std::int64_t& value) {
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc{} && end == part.data() + part.size();
  };
  const bool good = bar != std::string::npos && number(std::string_view(text).substr(0, bar), request.slice) && number(std::string_view(text).substr(bar + 1), request.slices);
  if (!good || request.slice < 1 || request.slice > request.slices)
    throw InputError(fmt::format("--slice {}: write I/N with I from 1 to N, such as 3/16.", text));
}

}  // namespace

Run add_sweep(CommandLine& command) {
  struct Options {
    SweepRequest request;
    std::shared_ptr<DefinitionArgument> definition;
    std::string slice;
    bool cuda_graphs = false, fused_adapters = false;
  };
  auto options = std::make_shared<Options>();
  options->definition = add_definition_argument(command, "the sweep's definition");
  add_out(command, options->request.out, "folder for the results; a sweep that is there already is resumed")->required();
  command.add_option("--slice", options->slice, "run a part of the sweep, with a ledger of its own: 3/16 is the third of 16; `report` and `export` read all their folders as one")
      ->type_name("I/N");
  add_device(command, options->request.device, "what packs are computed on");
  add_cuda_graphs(command, options->cuda_graphs);
  add_fused_adapters(command, options->fused_adapters);
  command.add_option("--max-hours", options->request.limits.hours, "stop in order after so many hours; the same command goes on")->above_zero()->type_name("H");
  command.add_option("--max-cost", options->request.limits.cost, "stop in order at this cost, at the price under [cost] in the definition")->above_zero()->type_name("MONEY");
  command.add_option("--min-free-disk", options->request.limits.free_disk, "stop in order when less is free on the disk of the results")->above_zero()->type_name("GB");
  command.add_option("--backup", options->request.backup, "a folder that outlives this machine: the ledger is copied there, and taken up from there where --out has none")->type_name("DIR");
  command.add_option("--backup-seconds", options->request.backup_seconds, "between two copies")->above_zero()->capture_default_str();
  command.add_flag("--retry-failed", options->request.retry_failed, "run failed runs again");
  command.add_flag("--retry-quarantined", options->request.retry_quarantined, "try runs again that were alone with workers that were lost");
  command.add_flag("--keep-pictures", options->request.keep_pictures, "keep reconstructions in the ledger, for the report");
  return [options](MpiWorld& world) {
    options->request.file = options->definition->file;
    options->request.overrides = options->definition->overrides();
    record_steps_on_gpus(options->cuda_graphs);
    fuse_adapters_on_gpus(options->fused_adapters);
    if (!options->slice.empty()) read_slice(options->slice, options->request);
    return sweep(options->request, world);
  };
}

}  // namespace palimpsest
