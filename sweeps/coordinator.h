#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
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
using PackId = Id<struct PackTag>;

/// What must be done, in order; the caller does it.
struct Assignment {
  WorkerId worker;
  PackId pack;
  std::vector<std::int64_t> runs;   // numbers of the plan
};
struct Dismissal { WorkerId worker; };              // nothing left to do
using Effect = std::variant<LedgerEntry, Assignment, Dismissal>;
struct Outbox { std::vector<Effect> effects; };

struct Worker {
  std::string host, device;
  int rank = 0;
  std::optional<PackId> pack;
};

/// The state of a sweep at work: which packs wait, who has which, which runs of a pack are still open. The functions below are the only
/// ones that change it, one per event: no MPI, no clock, no disk in any of them.
struct Coordinator {
  std::vector<RunId> ids;                                   // by run number
  std::deque<std::pair<PackId, std::vector<std::int64_t>>> waiting;
  std::map<PackId, std::vector<std::int64_t>> running;      // runs of the pack not yet reported
  std::map<WorkerId, Worker> workers;
  std::map<std::int64_t, int> attempts;                     // by run number
  std::int64_t done = 0, failed = 0;
  bool stopping = false;
};

void on_worker_ready(Coordinator&, WorkerId, const Worker&, double now, Outbox&);
void on_run_finished(Coordinator&, WorkerId, PackId, const RunResult&, double now, Outbox&);
void on_pack_left(Coordinator&, WorkerId, PackId, double now, Outbox&);   // the worker is through with it; open runs wait again
void on_worker_lost(Coordinator&, WorkerId, double now, Outbox&);
void on_stop(Coordinator&, Outbox&);                                      // hand out nothing more
bool finished(const Coordinator&);                                        // nothing waits, nothing runs

}  // namespace palimpsest
