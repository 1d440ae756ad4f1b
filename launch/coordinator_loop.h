#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "launch/mpi_mail.h"
#include "launch/watchdog.h"
#include "sweeps/coordinator.h"
#include "sweeps/plan.h"

namespace palimpsest {

/// A sweep about to run, as rank 0 has it.
struct SweepAtWork {
  const Plan& plan;
  Ledger& ledger;
  Coordinator coordinator;
  bool keep_pictures = false;
  std::filesystem::path results;                         // its folder
  std::function<void(const Coordinator&)> on_progress;   // called ten times a second
  std::function<void(const Shrinkage&)> on_shrinkage;
  std::function<std::optional<std::string>()> limit_reached;   // called often; in words
  std::function<std::vector<Pack>()> more_packs;   // of a growing sweep, when all results are in the ledger
};

/// The other ranks: who is still there.
struct Peers {
  std::set<int> gone;     // said their last word, or are lost
  bool some_lost = false; // their processes ended
  bool some_silent = false;
};

/// What rank 0 does in a sweep: it joins the coordinator, the ledger, the workers of the other ranks and its own, until nothing is left to do
/// or a stop is asked for. Returns why it was stopped; nothing where it came to its end. Throws what the ledger throws.
///
/// Threads: the calling one speaks MPI and decides; one commits; one computes.
std::optional<std::string> run_coordinator(SweepAtWork&, MpiMail&, Peers&, Watchdog&);

/// Sends the ranks home that are still there, and waits for them, for as long as a stop may take.
void send_home(MpiMail&, Peers&);

}  // namespace palimpsest
