#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
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
  std::int64_t together = 0;         // so many of them are computed together, in this order; 0: all
  std::vector<RunId> ids;            // of the same
};
struct Dismissal { WorkerId worker; };   // nothing is left to do for it
struct Halt { WorkerId worker; };        // leave the pack between two steps
/// No more than `size` runs of this signature fit into a worker's memory: to be remembered for the next time.
struct Shrinkage {
  int signature = 0;
  std::int64_t size = 0;
};
using Effect = std::variant<LedgerEntry, Assignment, Dismissal, Halt, Shrinkage>;
struct Outbox { std::vector<Effect> effects; };

/// A run that was alone in the hands of so many workers that were lost is given up.
constexpr int kKillsToQuarantine = 3;

/// Runs that wait to be computed together, by number of the plan. Equal signatures have equal numbers.
struct Pack {
  std::vector<std::int64_t> runs;
  int signature = 0;
  auto operator<=>(const Pack&) const = default;
};

/// What was tried with a run that is not through yet.
struct Tries {
  int attempts = 0;                  // the highest number given out
  int kills = 0;                     // workers that were lost with it alone in their hands
  int last_rank = 0;                 // of the last one
};

struct Worker {
  SharedText host, device;
  int rank = 0;
  std::optional<PackId> pack;        // none: waits for work
  double lag = 1;                    // its last pack took so many times what others of the signature did
};

/// A run in the hands of a worker.
struct Member {
  std::int64_t number = 0;
  RunId id;
  int attempt = 1;
};

/// A pack in the hands of a worker.
struct HandedOut {
  WorkerId worker;
  std::deque<Member> open;           // runs not yet reported; they are mostly in order
  int signature = 0;
  std::int64_t members = 0;          // runs it was handed out with
  std::int64_t together = 0;         // of them, so many are computed at once
  double started = 0;
  double share = 0;                  // of its work that is done, as the worker tells it
  std::optional<PackId> twin;        // has the same runs: the worker of one is slow, the first result counts
};

/// Why a worker is through with a pack.
enum class Leaving { kEnded, kStopped, kOutOfMemory };

/// Packs that are cut when their turn comes.
struct PackSource {
  std::function<std::optional<Pack>()> next;             // never an empty one; nothing: none is left
  std::int64_t runs = 0;                                 // in those that are left
};

/// A sweep about to start.
struct Backlog {
  std::function<RunId(std::int64_t)> id_of;              // of a run by number; always the same
  std::vector<Pack> packs;                               // in the order in which they are handed out
  std::unordered_map<std::int64_t, Tries> tries;         // of runs that were handed out before
  std::int64_t next_pack = 1;                            // packs are numbered from here
  int workers = 1;                                       // that are expected
  PackSource rest = {};                                  // after those packs
  std::map<int, std::int64_t> largest = {};              // by signature: so many of its runs are computed at once; else as many as its largest pack has
};

/// The state of a sweep at work: which packs wait, who has which, which runs of a pack are still open. The functions below are the only
/// ones that change it, one per event: no MPI, no clock, no disk in any of them.
struct Coordinator {
  std::function<RunId(std::int64_t)> id_of;                 // constant
  std::deque<Pack> waiting;                                 // in the order in which they are handed out
  PackSource rest;                                          // after them
  std::int64_t runs_waiting = 0;                            // in all of these
  std::map<PackId, HandedOut> running;
  std::map<WorkerId, Worker> workers;                       // that are there
  std::set<WorkerId> idle;                                  // of those, who have no pack
  int crew = 1;                                             // the most that were ever there, or are expected
  std::unordered_map<std::int64_t, Tries> tries;            // of runs handed out and not through
  std::map<int, std::int64_t> largest;                      // by signature: runs of a pack, as they were cut
  std::map<int, std::int64_t> most;                         // by signature: runs of a pack, where more ran out of memory
  std::int64_t next_pack = 1;
  std::int64_t done = 0, failed = 0, quarantined = 0;       // since it was made
  std::map<int, std::pair<double, std::int64_t>> pace;      // by signature: seconds workers took, for how many runs
  bool stopping = false;
  bool growing = false;                                     // more packs may come when these are through: idle workers stay
};

Coordinator coordinate(Backlog);
/// Why a run is given up, with what the last worker said that had it.
std::string quarantine_reason(const std::string& last_words);

/// The worker gets a pack; where packs are over so soon that handing them out would take most of the time, as many as keep it busy for a moment, to be
/// computed one after the other.
void on_worker_ready(Coordinator&, WorkerId, const Worker&, double now, Outbox&);
/// A run of the pack is through. A report that was made before, or by a worker that was given up, is dropped.
void on_run_finished(Coordinator&, WorkerId, PackId, RunResult, double now, Outbox&);
void on_progress(Coordinator&, WorkerId, PackId, double share);
/// The worker is through with its pack. Runs it left open: fail where it says that it ended; wait again where it was stopped; wait again, half as
/// many at once, where memory ran out (a run that had it all for itself fails).
void on_pack_left(Coordinator&, WorkerId, PackId, Leaving, double now, Outbox&);
/// The worker ended by itself, or is silent. One of the open runs that it computed at once, the first of its pack, may have killed it: they wait again,
/// in halves, until the guilty one is alone. The others wait again, too. A run that was alone so often is quarantined, and `last_words` of the worker are
/// kept with it. After a stop nobody is guilty.
void on_worker_lost(Coordinator&, WorkerId, const std::string& last_words, double now, Outbox&);
/// The worker is well, but will soon be ended with the whole world: its runs are not to blame.
void on_worker_ending(Coordinator&, WorkerId, double now, Outbox&);
/// From time to time: where a worker waits and nothing else does, a pack that takes far longer than others did is given to it, too.
void on_time_passed(Coordinator&, double now, Outbox&);
/// Packs that results asked for. None: nothing more will come.
void on_more_packs(Coordinator&, std::vector<Pack>, double now, Outbox&);
/// Hands out nothing more and halts what runs.
void on_stop(Coordinator&, Outbox&);

bool anything_waits(const Coordinator&);
bool drained(const Coordinator&);                  // nothing runs, and nothing that waits will be handed out
bool finished(const Coordinator&);                 // the same, and nothing more will come
double runs_worth_done(const Coordinator&);        // runs that are through, and the shares of packs in flight
/// Fewer than one worker in a hundred waits for what is in the outbox: it may gather for a moment, so that the ledger commits less often.
bool few_wait(const Coordinator&, const Outbox&);

}  // namespace palimpsest
