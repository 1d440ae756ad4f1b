#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "launch/stop_limits.h"
#include "runtime/settings.h"
#include "sweeps/coordinator.h"
#include "sweeps/pack_notes.h"
#include "sweeps/packs.h"

namespace palimpsest {

/// What was asked for on the command line of `sweep`.
struct SweepRequest {
  std::filesystem::path file, out;
  std::vector<Override> overrides;
  std::string device = "auto";          // use_device()
  bool retry_failed = false, retry_quarantined = false, keep_pictures = false;
  StopLimits limits;
  std::filesystem::path backup;         // where the ledger is copied to; empty: nowhere
  int backup_seconds = 300;
  std::int64_t slice = 1, slices = 1;   // of a job array: every slices-th run, from the slice-th on, in a ledger of its own
};

/// Ranks that will work: all of them, and those of this host, which share its memory.
struct RankCount { int ranks = 1, on_this_host = 1; };

/// A sweep that is about to start: its ledger is open and holds the definition.
struct PreparedSweep {
  Plan plan;
  Ledger ledger;
  Coordinator coordinator;            // what is left to do, in packs
  std::shared_ptr<std::vector<std::string>> signatures;   // by their number in the coordinator, which learns of some as it cuts packs
  PackNotes notes;
  std::int64_t total = 0, done = 0, failed = 0, quarantined = 0, packs = 0, largest_pack = 0;   // failed: not in quarantine
};

/// The packs that the results of a sweep with [replicate] ask for next, once all runs asked for so far are through; recorded in the ledger.
/// None where every claim is decided or no unit is left. Says which claims are open.
std::vector<Pack> next_packs(PreparedSweep&, const RankCount&);

/// Reads and plans the definition, opens the ledger, records the definition in it and beside it (sweep.toml, resolved.toml), and cuts what is
/// left to do into packs. Nothing is written before the definition and its inputs were found to be good.
PreparedSweep prepare_sweep(const SweepRequest&, const RankCount&);

}  // namespace palimpsest
