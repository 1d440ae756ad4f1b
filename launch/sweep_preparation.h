#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/settings.h"
#include "sweeps/coordinator.h"
#include "sweeps/plan.h"

namespace palimpsest {

/// What was asked for on the command line of `sweep`.
struct SweepRequest {
  std::filesystem::path file, out;
  std::vector<Override> overrides;
  bool retry_failed = false, keep_pictures = false;
  std::int64_t slice = 1, slices = 1;   // of a job array: every slices-th run, from the slice-th on, in a ledger of its own
};

/// Ranks that will work: all of them, and those of this host, which share its memory.
struct Crew { int ranks = 1, on_this_host = 1; };

/// A sweep that is about to start: its ledger is open and holds the definition.
struct PreparedSweep {
  Plan plan;
  Ledger ledger;
  Coordinator coordinator;            // what is left to do, in packs
  std::int64_t total = 0, done = 0, failed = 0, largest_pack = 0;
};

/// Reads and plans the definition, opens the ledger, records the definition in it and beside it (sweep.toml, resolved.toml), and cuts what is
/// left to do into packs. Nothing is written before the definition and its inputs were found to be good.
PreparedSweep prepare_sweep(const SweepRequest&, const Crew&);

}  // namespace palimpsest
