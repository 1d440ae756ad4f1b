#pragma once

// Coordinator and workers without processes, network, disk or clock: a whole sweep with everything that may happen to it, as a function of a
// seed. The coordinator is the real one; around it are a clock that is a number, mail that is delayed and repeated (in order between two
// ranks, as MPI keeps it), workers that die, stall, run out of memory or come back, coordinators that die before or after a commit, that are
// stopped, or that are thought dead and go on beside their successor; and a ledger that is a table in memory with the real one's rules.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace palimpsest {

/// Mistakes that are made on purpose, one at a time: the simulation must find each.
enum class Bug {
  kNone,
  kNoEpochCheck,            // the ledger takes what a coordinator writes that was thought dead
  kAnswerBeforeCommit,      // effects are let go before what precedes them is on disk
  kForgetLostPack,          // the open runs of a lost worker go nowhere
  kCountLateResult,         // a result of a worker that was given up is counted
  kCountRepeatedReport,     // a report that comes twice is counted twice
  kForgetAttempts,          // a new coordinator numbers attempts from 1 again
  kForgetPackNumbers,       // a new coordinator numbers packs from 1 again
  kForgetHalfOnMemory,      // a pack that ran out of memory comes back by half
  kStoppedIsFailed,         // runs that a stop left open are recorded as failed
  kStartedIsDone,           // a new coordinator takes what was handed out for done
  kTornCommit,              // a crash leaves half of a transaction
  kDoNotTakeBack,           // a worker that was given up and is heard of again gets nothing
};
inline constexpr std::array<std::string_view, 13> kBugNames = {
    "none", "drop the epoch check", "acknowledge before commit", "forget a lost worker's pack", "count a straggler's result twice",
    "count a repeated report twice", "forget attempt numbers", "forget pack numbers", "lose half of a pack that ran out of memory",
    "record what a stop left open as failed", "take what was handed out for done", "leave half a transaction", "never take back a worker"};

struct SimulatedSweep {
  std::uint64_t seed = 0;
  Bug bug = Bug::kNone;
  int workers = 0, runs = 0, pack = 0;   // 0: drawn from the seed
  double seconds = 1;                    // that half of the runs take less than
  bool faults = true;                    // without: only uneven runs and delayed mail
};

struct SimulatedEnd {
  std::string violation;                 // what should not have been; empty: all held
  std::int64_t events = 0;
  double makespan = 0, ideal = 0;        // seconds; ideal: no worker ever waits
  int worlds = 0, workers_lost = 0, coordinators_lost = 0, stale = 0, stops = 0, repeated = 0, out_of_memory = 0;
};

SimulatedEnd simulate(const SimulatedSweep&);

}  // namespace palimpsest
