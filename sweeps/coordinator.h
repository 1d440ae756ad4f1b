#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "sweeps/ledger.h"

namespace palimpsest {

template <class Tag>
struct Id {
  std::int64_t value = 0;
  auto operator<=>(const Id&) const = default;
};
using WorkerId = Id<struct WorkerTag>;
using PackId = Id<struct PackTag>;   // of one hand-out: a pack that is handed out again gets a new one

/// What must be done, in order; the caller does it. A ledger entry must be committed before what follows it is done: it is what makes a
/// result count and a hand-out known, so a crash in between repeats nothing that counts.
struct Assignment {
  WorkerId worker;
  PackId pack;
  std::vector<std::int64_t> runs;    // numbers of the plan
};
struct Dismissal { WorkerId worker; };   // nothing is left to do for it
struct Halt { WorkerId worker; };        // leave the pack between two steps
using Effect = std::variant<LedgerEntry, Assignment, Dismissal, Halt>;
struct Outbox { std::vector<Effect> effects; };

struct Worker {
  std::string host, device;
  int rank = 0;
  std::optional<PackId> pack;        // none: waits for work
};

/// A pack in the hands of a worker.
struct HandedOut {
  WorkerId worker;
  std::vector<std::int64_t> open;    // runs not yet reported
  std::int64_t members = 0;          // runs it was handed out with
  double started = 0;
  double share = 0;                  // of its work that is done, as the worker tells it
};

/// Why a worker is through with a pack.
enum class Leaving { kEnded, kStopped, kOutOfMemory };

/// The state of a sweep at work: which packs wait, who has which, which runs of a pack are still open. The functions below are the only
/// ones that change it, one per event: no MPI, no clock, no disk in any of them.
struct Coordinator {
  std::vector<RunId> ids;                                   // by run number; constant
  std::unordered_map<RunId, std::int64_t> numbers;          // of the runs by id; constant
  std::deque<std::vector<std::int64_t>> waiting;            // packs, in the order in which they are handed out
  std::map<PackId, HandedOut> running;
  std::map<WorkerId, Worker> workers;                       // that are there
  std::vector<int> attempts;                                // by run number: the highest given out
  std::int64_t next_pack = 1;
  std::int64_t done = 0, failed = 0;                        // since it was made
  bool stopping = false;
};

/// A sweep about to start: `packs` of run numbers wait; `attempts` given out so far by number; packs are numbered from `next_pack`.
Coordinator coordinate(std::vector<RunId> ids, std::vector<std::vector<std::int64_t>> packs, std::vector<int> attempts, std::int64_t next_pack);

void on_worker_ready(Coordinator&, WorkerId, const Worker&, double now, Outbox&);
/// A run of the pack is through. A report that was made before, or by a worker that was given up, is dropped.
void on_run_finished(Coordinator&, WorkerId, PackId, const RunResult&, double now, Outbox&);
void on_progress(Coordinator&, WorkerId, PackId, double share);
/// The worker is through with its pack. Runs it left open: fail where it says that it ended; wait again where it was stopped; wait again in
/// halves where memory ran out (a run that had it all for itself fails).
void on_pack_left(Coordinator&, WorkerId, PackId, Leaving, double now, Outbox&);
/// The open runs of its pack go to the front of the queue.
void on_worker_lost(Coordinator&, WorkerId, double now, Outbox&);
/// Hands out nothing more and halts what runs.
void on_stop(Coordinator&, Outbox&);

bool finished(const Coordinator&);                 // nothing runs, and nothing that waits will be handed out
double runs_worth_done(const Coordinator&);        // done and failed runs, and the shares of packs in flight

}  // namespace palimpsest
