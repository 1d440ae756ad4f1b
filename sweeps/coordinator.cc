#include "sweeps/coordinator.h"

#include <algorithm>

namespace palimpsest {
namespace {

using Runs = std::vector<std::int64_t>;

Attempt attempt_of(const Coordinator& coordinator, PackId id, const HandedOut& pack, std::int64_t run, double finished) {
  const Worker& worker = coordinator.workers.at(pack.worker);
  return {coordinator.ids[run], coordinator.attempts[run], id.value, worker.host, worker.device, worker.rank, pack.started, finished};
}

// The members' entry precedes the assignment: from then on the ledger knows who has them.
void hand_out(Coordinator& coordinator, WorkerId id, double now, Outbox& outbox) {
  Runs runs = std::move(coordinator.waiting.front());
  coordinator.waiting.pop_front();
  const PackId pack{coordinator.next_pack++};
  coordinator.workers.at(id).pack = pack;
  const HandedOut& handed =
      coordinator.running.emplace(pack, HandedOut{id, runs, static_cast<std::int64_t>(runs.size()), now, 0}).first->second;
  AttemptStarted entry;
  for (std::int64_t run : runs) {
    ++coordinator.attempts[run];
    entry.members.push_back(attempt_of(coordinator, pack, handed, run, 0));
  }
  outbox.effects.push_back(LedgerEntry{std::move(entry)});
  outbox.effects.push_back(Assignment{id, pack, std::move(runs)});
}

std::vector<WorkerId> idle_workers(const Coordinator& coordinator) {
  std::vector<WorkerId> idle;
  for (const auto& [id, worker] : coordinator.workers)
    if (!worker.pack) idle.push_back(id);
  return idle;
}

// Gives idle workers what waits. Where nothing does they stay, for the runs of a worker that may yet be lost, until all is finished.
void serve_idle(Coordinator& coordinator, double now, Outbox& outbox) {
  for (WorkerId id : idle_workers(coordinator)) {
    if (!coordinator.stopping && !coordinator.waiting.empty()) {
      hand_out(coordinator, id, now, outbox);
    } else if (coordinator.stopping || finished(coordinator)) {
      outbox.effects.push_back(Dismissal{id});
      coordinator.workers.erase(id);
    }
  }
}

// The pack, where it is this worker's; a pack of a worker that was given up is nobody's.
HandedOut* pack_of(Coordinator& coordinator, WorkerId worker, PackId pack) {
  const auto found = coordinator.running.find(pack);
  return found != coordinator.running.end() && found->second.worker == worker ? &found->second : nullptr;
}

void settle(Coordinator& coordinator, PackId id, const HandedOut& pack, std::int64_t run, const RunResult& result, double now,
            Outbox& outbox) {
  const Attempt attempt = attempt_of(coordinator, id, pack, run, now);
  if (result.failure.empty()) {
    ++coordinator.done;
    outbox.effects.push_back(LedgerEntry{RunSucceeded{attempt, result}});
  } else {
    ++coordinator.failed;
    outbox.effects.push_back(LedgerEntry{RunFailed{attempt, result.failure}});
  }
}

void fail(Coordinator& coordinator, PackId id, const HandedOut& pack, const std::string& reason, double now, Outbox& outbox) {
  for (std::int64_t run : pack.open) {
    RunResult result;
    result.id = coordinator.ids[run];
    result.failure = reason;
    settle(coordinator, id, pack, run, result, now, outbox);
  }
}

void wait_again(Coordinator& coordinator, const Runs& open) {
  if (!open.empty()) coordinator.waiting.push_front(open);
}

void wait_in_halves(Coordinator& coordinator, const Runs& open) {
  const auto middle = open.begin() + static_cast<std::ptrdiff_t>(open.size() / 2);
  wait_again(coordinator, {middle, open.end()});
  wait_again(coordinator, {open.begin(), middle});
}

void close(Coordinator& coordinator, PackId id, const HandedOut& pack, Leaving leaving, double now, Outbox& outbox) {
  if (leaving == Leaving::kStopped)
    wait_again(coordinator, pack.open);
  else if (leaving == Leaving::kEnded)
    fail(coordinator, id, pack, "its pack ended without a result for it", now, outbox);
  else if (pack.open.size() == 1 && pack.members == 1)
    fail(coordinator, id, pack, "out of memory, even alone. Make it smaller, or start fewer ranks on this host.", now, outbox);
  else
    wait_in_halves(coordinator, pack.open);
}

}  // namespace

Coordinator coordinate(std::vector<RunId> ids, std::vector<Runs> packs, std::vector<int> attempts, std::int64_t next_pack) {
  Coordinator coordinator;
  coordinator.ids = std::move(ids);
  for (std::size_t i = 0; i < coordinator.ids.size(); ++i) coordinator.numbers.emplace(coordinator.ids[i], static_cast<std::int64_t>(i));
  coordinator.waiting.assign(packs.begin(), packs.end());
  coordinator.attempts = std::move(attempts);
  coordinator.next_pack = next_pack;
  return coordinator;
}

void on_worker_ready(Coordinator& coordinator, WorkerId id, const Worker& worker, double now, Outbox& outbox) {
  on_worker_lost(coordinator, id, now, outbox);  // one that starts over has lost what it had
  Worker& known = coordinator.workers[id] = worker;
  known.pack.reset();
  serve_idle(coordinator, now, outbox);
}

void on_run_finished(Coordinator& coordinator, WorkerId worker, PackId id, const RunResult& result, double now, Outbox& outbox) {
  HandedOut* pack = pack_of(coordinator, worker, id);
  const auto number = coordinator.numbers.find(result.id);
  if (!pack || number == coordinator.numbers.end()) return;
  if (std::erase(pack->open, number->second) == 0) return;
  settle(coordinator, id, *pack, number->second, result, now, outbox);
}

void on_progress(Coordinator& coordinator, WorkerId worker, PackId id, double share) {
  if (HandedOut* pack = pack_of(coordinator, worker, id)) pack->share = std::clamp(share, pack->share, 1.0);
}

void on_pack_left(Coordinator& coordinator, WorkerId worker, PackId id, Leaving leaving, double now, Outbox& outbox) {
  if (!pack_of(coordinator, worker, id)) return;
  const HandedOut pack = coordinator.running.extract(id).mapped();
  close(coordinator, id, pack, leaving, now, outbox);
  coordinator.workers.at(worker).pack.reset();
  serve_idle(coordinator, now, outbox);
}

void on_worker_lost(Coordinator& coordinator, WorkerId id, double now, Outbox& outbox) {
  const auto worker = coordinator.workers.find(id);
  if (worker == coordinator.workers.end()) return;
  if (worker->second.pack) wait_again(coordinator, coordinator.running.extract(*worker->second.pack).mapped().open);
  coordinator.workers.erase(worker);
  serve_idle(coordinator, now, outbox);
}

void on_stop(Coordinator& coordinator, Outbox& outbox) {
  if (coordinator.stopping) return;
  coordinator.stopping = true;
  for (const auto& [id, worker] : coordinator.workers)
    if (worker.pack) outbox.effects.push_back(Halt{id});
  serve_idle(coordinator, 0, outbox);
}

bool finished(const Coordinator& coordinator) {
  return coordinator.running.empty() && (coordinator.stopping || coordinator.waiting.empty());
}

double runs_worth_done(const Coordinator& coordinator) {
  double worth = static_cast<double>(coordinator.done + coordinator.failed);
  for (const auto& [id, pack] : coordinator.running) {
    const double reported = static_cast<double>(pack.members) - static_cast<double>(pack.open.size());
    worth += std::max(0.0, pack.share * static_cast<double>(pack.members) - reported);
  }
  return worth;
}

}  // namespace palimpsest
