#include "sweeps/coordinator.h"

#include <gtest/gtest.h>

#include "tests/small_coordination.h"

namespace palimpsest {
namespace {

TEST_F(Coordinating, HandsOutQuickPacksTogetherToBeComputedOneAfterTheOther) {
  auto coordinator = sweep_of_packs(std::vector<int>(1000, 2));
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  EXPECT_EQ(last_order(outbox).runs, (std::vector<std::int64_t>{0, 1}));
  for (const std::int64_t run : {0, 1}) on_run_finished(coordinator, kAnn, {1}, well(run), 0.01, outbox);
  on_pack_left(coordinator, kAnn, {1}, Leaving::kEnded, 0.01, outbox);
  EXPECT_EQ(last_order(outbox).runs.size(), 20u) << "a tenth of a second's work, by the pace of the first";
  EXPECT_EQ(last_order(outbox).together, 2);
  EXPECT_EQ(coordinator.runs_waiting, 2000 - 22);
}

TEST_F(Coordinating, HandsOutSlowPacksOneByOne) {
  auto coordinator = sweep_of_packs(std::vector<int>(1000, 2));
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  for (const std::int64_t run : {0, 1}) on_run_finished(coordinator, kAnn, {1}, well(run), 1, outbox);
  on_pack_left(coordinator, kAnn, {1}, Leaving::kEnded, 1, outbox);
  EXPECT_EQ(last_order(outbox).runs.size(), 2u);
}

TEST_F(Coordinating, LeavesEnoughForOthersWhenItHandsOutQuickPacksTogether) {
  auto coordinator = sweep_of_packs(std::vector<int>(17, 2));
  coordinator.crew = 2;
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  for (const std::int64_t run : {0, 1}) on_run_finished(coordinator, kAnn, {1}, well(run), 1e-6, outbox);
  on_pack_left(coordinator, kAnn, {1}, Leaving::kEnded, 1e-6, outbox);
  EXPECT_EQ(last_order(outbox).runs.size(), 2u);
}

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
  lose_ann_after_run_0(coordinator);
  EXPECT_EQ(take(outbox), "ledger: run 1 attempt 1 lost\n"
                          "ledger: pack 2 of run 1 attempt 2\n"
                          "pack 2 -> bob\n");
}

TEST_F(Coordinating, KeepsAnIdleWorkerForTheRunsOfOneThatMayBeLost) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_worker_ready(coordinator, kBob, anyone, 0, outbox);
  EXPECT_EQ(take(outbox), "");
  on_worker_lost(coordinator, kAnn, "", 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 attempt 1 lost\n"
                          "ledger: pack 2 of run 0 attempt 2\n"
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

TEST_F(Coordinating, KeepsWorkersOfAGrowingSweepUntilNothingMoreComes) {
  auto coordinator = sweep_of_packs({1, 1});
  const auto later = coordinator.waiting.back();
  coordinator.waiting.pop_back();
  --coordinator.runs_waiting;
  coordinator.growing = true;
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kEnded, 1, outbox);
  take(outbox);
  EXPECT_TRUE(drained(coordinator));
  EXPECT_FALSE(finished(coordinator));
  on_more_packs(coordinator, {later}, 2, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 2 of run 1 attempt 1\n"
                          "pack 2 -> ann\n");
  on_run_finished(coordinator, kAnn, PackId{2}, well(1), 3, outbox);
  on_pack_left(coordinator, kAnn, PackId{2}, Leaving::kEnded, 3, outbox);
  take(outbox);
  on_more_packs(coordinator, {}, 4, outbox);
  EXPECT_EQ(take(outbox), "ann goes home\n");
  EXPECT_TRUE(finished(coordinator));
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
  on_worker_lost(coordinator, kAnn, "", 1, outbox);
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
  EXPECT_EQ(take(outbox), "ledger: run 0 attempt 1 lost\n"
                          "ledger: pack 2 of run 0 attempt 2\n"
                          "pack 2 -> ann\n");
}

TEST_F(Coordinating, DropsResultsOfRunsItNeverHadAndOfPacksItNeverHandedOut) {
  auto coordinator = sweep_of_packs({1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(7), 1, outbox);
  on_run_finished(coordinator, kAnn, PackId{9}, well(0), 1, outbox);
  on_run_finished(coordinator, kCat, PackId{1}, well(0), 1, outbox);
  on_worker_lost(coordinator, kCat, "", 1, outbox);
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

TEST_F(Coordinating, WritesDownThatAWorkerIsWellBeforeTheWorldEnds) {
  auto coordinator = sweep_of_packs({2});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  take(outbox);
  on_worker_ending(coordinator, kAnn, 1, outbox);
  on_worker_ending(coordinator, kBob, 1, outbox);   // has nothing
  EXPECT_EQ(take(outbox), "ledger: run 1 attempt 1 stopped\n");
}

TEST_F(Coordinating, HandsOutSmallerPacksInTheLastRound) {
  auto coordinator = sweep_of_packs({8, 8, 8});
  coordinator.crew = 2;
  std::vector<std::int64_t> sizes;
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  while (!finished(coordinator)) {
    const PackId pack = *coordinator.workers.at(kAnn).pack;
    sizes.push_back(coordinator.running.at(pack).members);
    on_pack_left(coordinator, kAnn, pack, Leaving::kEnded, 1, outbox);
  }
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{8, 4, 3, 1, 2, 2, 1, 1, 1, 1}));
}

TEST_F(Coordinating, GivesTheRunsOfAStragglerToAnIdleWorkerTooAndCountsTheFirstResult) {
  auto coordinator = sweep_of_packs({2, 1});
  on_worker_ready(coordinator, kBob, anyone, 0, outbox);
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_run_finished(coordinator, kAnn, PackId{2}, well(2), 5, outbox);
  on_pack_left(coordinator, kAnn, PackId{2}, Leaving::kEnded, 5, outbox);
  take(outbox);
  on_time_passed(coordinator, 12, outbox);
  EXPECT_EQ(take(outbox), "") << "12 s are not much longer than 2 times 5";
  on_time_passed(coordinator, 60, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 3 of run 0 attempt 2, run 1 attempt 2\n"
                          "pack 3 -> ann\n");
  on_time_passed(coordinator, 600, outbox);
  EXPECT_EQ(take(outbox), "") << "twice is enough";
  on_run_finished(coordinator, kAnn, PackId{3}, well(0), 61, outbox);
  on_run_finished(coordinator, kBob, PackId{1}, well(0), 61, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 done\n"
                          "ledger: run 0 attempt 1 came second\n");
  on_run_finished(coordinator, kBob, PackId{1}, well(1), 62, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 1 done\n"
                          "ledger: run 1 attempt 2 came second\n"
                          "ann halts\n");
  on_pack_left(coordinator, kBob, PackId{1}, Leaving::kEnded, 62, outbox);
  on_pack_left(coordinator, kAnn, PackId{3}, Leaving::kStopped, 62, outbox);
  EXPECT_TRUE(finished(coordinator));
  EXPECT_EQ(coordinator.done, 3);
}

TEST_F(Coordinating, LeavesTheRunsOfALostTwinToTheOther) {
  auto coordinator = sweep_of_packs({1, 1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_worker_ready(coordinator, kBob, anyone, 0, outbox);
  on_run_finished(coordinator, kAnn, PackId{1}, well(0), 1, outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kEnded, 1, outbox);
  on_time_passed(coordinator, 60, outbox);
  take(outbox);
  on_worker_lost(coordinator, kBob, "", 61, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 1 attempt 1 stopped\n");
  on_worker_lost(coordinator, kAnn, "", 62, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 1 attempt 2 lost\n");
  on_worker_ready(coordinator, kCat, anyone, 63, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 4 of run 1 attempt 3\n"
                          "pack 4 -> cat\n");
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
                          "ledger: run 0 attempt 1 stopped\n"
                          "ann goes home\n");
  EXPECT_TRUE(finished(coordinator));
  EXPECT_EQ(coordinator.waiting, (std::deque<Pack>{{{0}}, {{2}}}));
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
  auto coordinator = coordinate({id_of, {{{1}}}, {{1, Tries{3}}}, 41, 1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  EXPECT_EQ(take(outbox), "ledger: pack 41 of run 1 attempt 4\n"
                          "pack 41 -> ann\n");
}

TEST_F(Coordinating, ComputesNoMoreRunsAtOnceOfWhatWasTriedThanFit) {
  Backlog backlog{id_of, {{{1, 2, 3, 4}}}, {{1, Tries{1}}}, 41, 1};
  backlog.largest = {{0, 2}};
  auto coordinator = coordinate(std::move(backlog));
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  EXPECT_EQ(last_order(outbox).runs.size(), 4u);
  EXPECT_EQ(last_order(outbox).together, 2);
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

TEST_F(Coordinating, LetsTheLedgerWaitWhereFewerThanOneWorkerInAHundredWaitsForIt) {
  auto coordinator = sweep_of_packs(std::vector<int>(500, 1));
  EXPECT_FALSE(few_wait(coordinator, outbox));
  for (std::int64_t worker = 0; worker < 200; ++worker) on_worker_ready(coordinator, {worker}, anyone, 0, outbox);
  EXPECT_FALSE(few_wait(coordinator, outbox));
  outbox.effects.clear();
  on_run_finished(coordinator, {7}, {8}, well(7), 1, outbox);
  EXPECT_TRUE(few_wait(coordinator, outbox)) << "results alone can wait";
  on_pack_left(coordinator, {7}, {8}, Leaving::kEnded, 1, outbox);
  EXPECT_TRUE(few_wait(coordinator, outbox));
  on_pack_left(coordinator, {8}, {9}, Leaving::kEnded, 1, outbox);
  EXPECT_FALSE(few_wait(coordinator, outbox));
}

}  // namespace
}  // namespace palimpsest
