#include "sweeps/coordinator.h"

#include <gtest/gtest.h>

namespace palimpsest {
namespace {

constexpr WorkerId kAnn{1}, kBob{2}, kCat{3};
const std::map<WorkerId, std::string> kNames = {{kAnn, "ann"}, {kBob, "bob"}, {kCat, "cat"}};

std::string id_of(std::int64_t run) { return "run " + std::to_string(run); }

// Runs 0, 1, ... in packs of the given sizes.
Coordinator sweep_of_packs(const std::vector<int>& sizes) {
  std::vector<RunId> ids;
  std::vector<std::vector<std::int64_t>> packs;
  for (int size : sizes) {
    packs.emplace_back();
    for (int i = 0; i < size; ++i) {
      packs.back().push_back(static_cast<std::int64_t>(ids.size()));
      ids.push_back(id_of(packs.back().back()));
    }
  }
  const std::vector<int> attempts(ids.size(), 0);
  return coordinate(std::move(ids), std::move(packs), attempts, 1);
}

std::string line(const LedgerEntry& entry) {
  if (const auto* started = std::get_if<AttemptStarted>(&entry)) {
    std::string text;
    for (const Attempt& one : started->members)
      text += (text.empty() ? "" : ", ") + one.run + " attempt " + std::to_string(one.number);
    return "ledger: pack " + std::to_string(started->members.at(0).pack) + " of " + text;
  }
  if (const auto* done = std::get_if<RunSucceeded>(&entry)) return "ledger: " + done->attempt.run + " done";
  const auto& failed = std::get<RunFailed>(entry);
  return "ledger: " + failed.attempt.run + " failed: " + failed.reason;
}

std::string line(const Assignment& one) { return "pack " + std::to_string(one.pack.value) + " -> " + kNames.at(one.worker); }
std::string line(const Dismissal& one) { return kNames.at(one.worker) + " goes home"; }
std::string line(const Halt& one) { return kNames.at(one.worker) + " halts"; }

// What the outbox says, a line each, and empties it.
std::string take(Outbox& outbox) {
  std::string all;
  for (const Effect& effect : outbox.effects) all += std::visit([](const auto& one) { return line(one); }, effect) + "\n";
  outbox.effects.clear();
  return all;
}

RunResult badly(std::int64_t run, std::string why) {
  RunResult result;
  result.id = id_of(run);
  result.failure = std::move(why);
  return result;
}
RunResult well(std::int64_t run) { return badly(run, ""); }

struct Coordinating : testing::Test {
  Outbox outbox;
  const Worker anyone{"node1", "cpu", 0, {}};
};

TEST_F(Coordinating, EntersAPackInTheLedgerBeforeItHandsItOut) {
  auto coordinator = sweep_of_packs({2});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 1 of run 0 attempt 1, run 1 attempt 1\n"
                          "pack 1 -> ann\n");
}

TEST_F(Coordinating, EntersResultsBeforeTheNextAssignment) {
  auto coordinator = sweep_of_packs({1, 1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kEnded, 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 done\n"
                          "ledger: pack 2 of run 1 attempt 1\n"
                          "pack 2 -> ann\n");
}

TEST_F(Coordinating, GivesTheOpenRunsOfALostWorkerToTheNext) {
  auto coordinator = sweep_of_packs({2, 1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  take(outbox);
  on_worker_lost(coordinator, kAnn, 2, outbox);
  on_worker_ready(coordinator, kBob, anyone, 3, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 2 of run 1 attempt 2\n"
                          "pack 2 -> bob\n");
}

TEST_F(Coordinating, KeepsAnIdleWorkerForTheRunsOfOneThatMayBeLost) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_worker_ready(coordinator, kBob, anyone, 0, outbox);
  EXPECT_EQ(take(outbox), "");
  on_worker_lost(coordinator, kAnn, 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 2 of run 0 attempt 2\n"
                          "pack 2 -> bob\n");
}

TEST_F(Coordinating, SendsEverybodyHomeWhenTheLastPackIsThrough) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_worker_ready(coordinator, kBob, anyone, 0, outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  take(outbox);
  EXPECT_FALSE(finished(coordinator));
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kEnded, 1, outbox);
  EXPECT_TRUE(finished(coordinator));
  on_worker_ready(coordinator, kCat, anyone, 2, outbox);
  EXPECT_EQ(take(outbox), "ann goes home\nbob goes home\ncat goes home\n");
}

TEST_F(Coordinating, CountsAReportMadeTwiceOnce) {
  auto coordinator = sweep_of_packs({2});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 done\n");
  EXPECT_EQ(coordinator.done, 1);
}

TEST_F(Coordinating, DropsTheLateReportsOfAWorkerThatWasGivenUp) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_worker_lost(coordinator, kAnn, 1, outbox);
  on_worker_ready(coordinator, kBob, anyone, 1, outbox);
  take(outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 2, outbox);
  on_run_finished(coordinator, kAnn, PackId{2}, well(0), 2, outbox);  // nor under the number of another's pack
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kEnded, 2, outbox);
  EXPECT_EQ(take(outbox), "");
  on_run_finished(coordinator, kBob, PackId{2}, well(0), 3, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 done\n");
}

TEST_F(Coordinating, TakesAWorkerThatIsReadyAgainForOneThatLostItsPack) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_worker_ready(coordinator, kAnn, anyone, 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 2 of run 0 attempt 2\n"
                          "pack 2 -> ann\n");
}

TEST_F(Coordinating, DropsResultsOfRunsItNeverHadAndOfPacksItNeverHandedOut) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(7), 1, outbox);
  on_run_finished(coordinator, kAnn, PackId{9}, well(0), 1, outbox);
  on_run_finished(coordinator, kCat, PackId{1}, well(0), 1, outbox);
  on_worker_lost(coordinator, kCat, 1, outbox);
  EXPECT_EQ(take(outbox), "");
}

TEST_F(Coordinating, RecordsAFailedRunAndGoesOnWithTheOthers) {
  auto coordinator = sweep_of_packs({2});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, badly(0, "the loss is not a number"), 1, outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(1), 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 failed: the loss is not a number\n"
                          "ledger: run 1 done\n");
  EXPECT_EQ(coordinator.failed, 1);
}

TEST_F(Coordinating, FailsRunsThatTheirPackLeavesWithoutAWord) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kEnded, 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 failed: its pack ended without a result for it\n"
                          "ann goes home\n");
}

TEST_F(Coordinating, HalvesAPackThatRanOutOfMemoryUntilARunIsAlone) {
  auto coordinator = sweep_of_packs({3});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kOutOfMemory, 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 2 of run 0 attempt 2\n"
                          "pack 2 -> ann\n");
  on_pack_left(coordinator, kAnn, PackId{2}, Leaving::kOutOfMemory, 2, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 failed: out of memory, even alone. Make it smaller, or start fewer ranks on this host.\n"
                          "ledger: pack 3 of run 1 attempt 2, run 2 attempt 2\n"
                          "pack 3 -> ann\n");
}

TEST_F(Coordinating, HaltsBusyWorkersOnStopAndKeepsWhatTheyLeaveForTheNextTime) {
  auto coordinator = sweep_of_packs({2, 1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_stop(coordinator, outbox);
  on_stop(coordinator, outbox);
  EXPECT_EQ(take(outbox), "ann halts\n");
  on_run_finished(coordinator, kAnn, PackId{1}, well(1), 1, outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kStopped, 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 1 done\n"
                          "ann goes home\n");
  EXPECT_TRUE(finished(coordinator));
  EXPECT_EQ(coordinator.waiting, (std::deque<std::vector<std::int64_t>>{{0}, {2}}));
}

TEST_F(Coordinating, SendsIdleAndNewWorkersHomeOnceStopped) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_worker_ready(coordinator, kBob, anyone, 0, outbox);
  take(outbox);
  on_stop(coordinator, outbox);
  on_worker_ready(coordinator, kCat, anyone, 0, outbox);
  EXPECT_EQ(take(outbox), "ann halts\nbob goes home\ncat goes home\n");
}

TEST_F(Coordinating, FinishesAtOnceWhereNothingIsLeftToDo) {
  auto coordinator = sweep_of_packs({});
  EXPECT_TRUE(finished(coordinator));
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  EXPECT_EQ(take(outbox), "ann goes home\n");
}

TEST_F(Coordinating, NumbersPacksAndAttemptsOnFromWhatTheLedgerHas) {
  auto coordinator = coordinate({id_of(0), id_of(1)}, {{1}}, {1, 3}, 41);
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 41 of run 1 attempt 4\n"
                          "pack 41 -> ann\n");
}

TEST_F(Coordinating, CountsTheShareOfAPackInFlightButNoRunTwice) {
  auto coordinator = sweep_of_packs({4});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_progress(coordinator, kAnn, PackId{1}, 0.5);
  EXPECT_DOUBLE_EQ(runs_worth_done(coordinator), 2.0);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  EXPECT_DOUBLE_EQ(runs_worth_done(coordinator), 2.0);
  on_progress(coordinator, kAnn, PackId{1}, 0.25);  // never backwards
  EXPECT_DOUBLE_EQ(runs_worth_done(coordinator), 2.0);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kStopped, 1, outbox);
  EXPECT_DOUBLE_EQ(runs_worth_done(coordinator), 1.0);
}

}  // namespace
}  // namespace palimpsest
