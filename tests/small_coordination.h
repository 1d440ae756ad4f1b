#pragma once

// A coordinator of a few packs of runs 0, 1, ..., and what it says in words.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "sweeps/coordinator.h"

namespace palimpsest {

inline constexpr WorkerId kAnn{1}, kBob{2}, kCat{3};

inline std::string name_of(WorkerId worker) {
  static const std::map<WorkerId, std::string> names = {{kAnn, "ann"}, {kBob, "bob"}, {kCat, "cat"}};
  const auto name = names.find(worker);
  return name == names.end() ? "worker " + std::to_string(worker.value) : name->second;
}

inline std::string id_of(std::int64_t run) { return "run " + std::to_string(run); }

// Runs 0, 1, ... in packs of the given sizes.
inline Coordinator sweep_of_packs(const std::vector<int>& sizes) {
  Backlog backlog{id_of, {}, {}, 1, 1};
  std::int64_t run = 0;
  for (int size : sizes) {
    backlog.packs.emplace_back();
    for (int i = 0; i < size; ++i) backlog.packs.back().runs.push_back(run++);
  }
  return coordinate(std::move(backlog));
}

inline std::string line(const LedgerEntry& entry) {
  if (const auto* started = std::get_if<AttemptStarted>(&entry)) {
    std::string text;
    for (const Attempt& one : started->members)
      text += (text.empty() ? "" : ", ") + one.run + " attempt " + std::to_string(one.number);
    return "ledger: pack " + std::to_string(started->members.at(0).pack) + " of " + text;
  }
  if (const auto* done = std::get_if<RunSucceeded>(&entry)) return "ledger: " + done->attempt.run + " done";
  if (const auto* ended = std::get_if<AttemptsEnded>(&entry)) {
    std::string text = "ledger:";
    for (const Attempt& one : ended->members) text += " " + one.run + " attempt " + std::to_string(one.number);
    return text + (ended->how == Ending::kSecond ? " came second" : ended->how == Ending::kLost ? " lost" : " stopped");
  }
  if (std::holds_alternative<FactsOfHost>(entry)) return "ledger: facts of a host";
  if (const auto* guilty = std::get_if<RunQuarantined>(&entry)) return "ledger: " + guilty->attempt.run + " " + guilty->reason;
  const auto& failed = std::get<RunFailed>(entry);
  return "ledger: " + failed.attempt.run + " failed: " + failed.reason;
}

inline std::string line(const Assignment& one) { return "pack " + std::to_string(one.pack.value) + " -> " + name_of(one.worker); }
inline std::string line(const Dismissal& one) { return name_of(one.worker) + " goes home"; }
inline std::string line(const Shrinkage& one) { return "packs of " + std::to_string(one.size) + " at most"; }
inline std::string line(const Halt& one) { return name_of(one.worker) + " halts"; }

// What the outbox says, a line each, and empties it.
inline std::string take(Outbox& outbox) {
  std::string all;
  for (const Effect& effect : outbox.effects) all += std::visit([](const auto& one) { return line(one); }, effect) + "\n";
  outbox.effects.clear();
  return all;
}

inline RunResult badly(std::int64_t run, std::string why) {
  RunResult result;
  result.id = id_of(run);
  result.failure = std::move(why);
  return result;
}
inline RunResult well(std::int64_t run) { return badly(run, ""); }

struct Coordinating : testing::Test {
  Outbox outbox;
  const Worker anyone{"node1", "cpu", 0, {}};

  // Ann is lost when run 0 of her pack is through; then Bob is ready.
  void lose_ann_after_run_0(Coordinator& coordinator) {
    on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
    on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
    take(outbox);
    on_worker_lost(coordinator, kAnn, "", 2, outbox);
    on_worker_ready(coordinator, kBob, anyone, 3, outbox);
  }
};

inline const Assignment& last_order(const Outbox& outbox) { return std::get<Assignment>(outbox.effects.back()); }

}  // namespace palimpsest
