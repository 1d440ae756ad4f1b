// Who is to blame where a worker is lost or its memory ran out: of what it had, only what it can have computed then.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/small_coordination.h"

namespace palimpsest {
namespace {

// Workers that compute what they are given, in order and so many runs at a time, a millisecond each. None gets through the guilty run.
struct Workers {
  std::int64_t guilty = 0;
  std::size_t late = 0;              // so many reports a worker that is lost made before are lost with it
  bool memory = false;               // the run takes more than there is, and the worker lives
  int losses = 0;                    // workers, or packs where it is memory
  double now = 0;

  void compute_all(Coordinator& coordinator, Outbox& outbox) {
    for (std::int64_t worker = 1; !finished(coordinator) || worker == 1; ++worker) {
      on_worker_ready(coordinator, {worker}, {"node1", "cpu", 0, {}}, now, outbox);
      while (coordinator.workers.contains({worker})) compute(coordinator, {worker}, outbox);
    }
  }

  void compute(Coordinator& coordinator, WorkerId worker, Outbox& outbox) {
    const PackId pack = *coordinator.workers.at(worker).pack;
    const HandedOut order = coordinator.running.at(pack);
    const auto place = static_cast<std::size_t>(std::ranges::find(order.open, guilty, &Member::number) - order.open.begin());
    const bool struck = place < order.open.size();
    const std::size_t through = struck ? place - place % static_cast<std::size_t>(order.together) : order.open.size();
    const std::size_t reported = struck && !memory ? through - std::min(through, late) : through;
    for (std::size_t i = 0; i < reported; ++i) on_run_finished(coordinator, worker, pack, well(order.open[i].number), now += 1e-3, outbox);
    losses += struck;
    if (struck && !memory) return on_worker_lost(coordinator, worker, "segmentation fault", now, outbox);
    on_pack_left(coordinator, worker, pack, struck ? Leaving::kOutOfMemory : Leaving::kEnded, now, outbox);
  }
};

int most_in_one_order(const Outbox& outbox) {
  std::size_t most = 0;
  for (const Effect& effect : outbox.effects)
    if (const auto* order = std::get_if<Assignment>(&effect)) most = std::max(most, order->runs.size());
  return static_cast<int>(most);
}

TEST_F(Coordinating, FindsTheRunThatKillsWorkersByHalvesAndBlamesNoOther) {
  auto coordinator = sweep_of_packs({8, 8});
  Workers workers{.guilty = 5};
  workers.compute_all(coordinator, outbox);
  EXPECT_EQ(workers.losses, 3 + kKillsToQuarantine);   // in 8, 4, 2, then alone
  EXPECT_EQ(coordinator.done, 15);
  EXPECT_EQ(coordinator.quarantined, 1);
  EXPECT_THAT(take(outbox), testing::HasSubstr("ledger: run 5 quarantined: 3 workers were lost with it alone in their hands. "
                                               "Last words of the last one: segmentation fault\n"));
}

TEST_F(Coordinating, LosesThreeWorkersToARunThatKillsThemHoweverItsPackIsBundled) {
  for (const std::int64_t guilty : {0, 1, 500, 507, 999}) {
    auto coordinator = sweep_of_packs(std::vector<int>(1000, 1));
    Workers workers{.guilty = guilty};
    workers.compute_all(coordinator, outbox);
    EXPECT_GE(most_in_one_order(outbox), 100) << "so it is not bundled";
    EXPECT_EQ(workers.losses, kKillsToQuarantine) << guilty;
    EXPECT_EQ(coordinator.done, 999);
    EXPECT_EQ(coordinator.quarantined, 1);
    outbox.effects.clear();
  }
}

TEST_F(Coordinating, LosesAsManyWorkersToARunInABundleOfPacksAsInItsPackAlone) {
  auto coordinator = sweep_of_packs(std::vector<int>(250, 4));
  Workers workers{.guilty = 501};
  workers.compute_all(coordinator, outbox);
  EXPECT_GE(most_in_one_order(outbox), 100);
  EXPECT_EQ(workers.losses, 2 + kKillsToQuarantine);   // in 4, 2, then alone
  EXPECT_EQ(coordinator.done, 999);
}

// A worker that dies takes with it what it had not sent yet.
TEST_F(Coordinating, LosesOneWorkerMoreWhereTheLastReportsAreLostWithTheFirst) {
  for (const std::size_t late : {1, 3, 40}) {
    auto coordinator = sweep_of_packs(std::vector<int>(1000, 1));
    Workers workers{.guilty = 550, .late = late};
    workers.compute_all(coordinator, outbox);
    EXPECT_GE(most_in_one_order(outbox), 100);
    EXPECT_EQ(workers.losses, 1 + kKillsToQuarantine) << late;
    EXPECT_EQ(coordinator.done, 999) << "no other is blamed";
    outbox.effects.clear();
  }
}

TEST_F(Coordinating, WritesDownThatRunsWhoseTurnHadNotComeWereNotLost) {
  Backlog backlog{id_of, {{{0, 1, 2, 3}}}, {}, 1, 1};
  backlog.largest = {{0, 1}};
  auto coordinator = coordinate(std::move(backlog));
  lose_ann_after_run_0(coordinator);
  EXPECT_EQ(take(outbox), "ledger: run 1 attempt 1 lost\n"
                          "ledger: run 2 attempt 1 run 3 attempt 1 stopped\n"
                          "ledger: pack 2 of run 1 attempt 2\n"
                          "pack 2 -> bob\n");
}

TEST_F(Coordinating, FailsARunOfABundleThatHasTooLittleMemoryAtItsSecondTryAndNoOther) {
  auto coordinator = sweep_of_packs(std::vector<int>(1000, 1));
  Workers workers{.guilty = 550, .memory = true};
  workers.compute_all(coordinator, outbox);
  EXPECT_GE(most_in_one_order(outbox), 100);
  EXPECT_EQ(workers.losses, 2);      // in the bundle, and alone
  EXPECT_EQ(coordinator.failed, 1);
  EXPECT_EQ(coordinator.done, 999);
}

TEST_F(Coordinating, HalvesTheRunsThatAreComputedTogetherWhereTheyRunOutOfMemory) {
  auto coordinator = sweep_of_packs(std::vector<int>(1000, 4));
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  for (const std::int64_t run : {0, 1, 2, 3}) on_run_finished(coordinator, kAnn, {1}, well(run), 0.01, outbox);
  on_pack_left(coordinator, kAnn, {1}, Leaving::kEnded, 0.01, outbox);
  ASSERT_EQ(last_order(outbox).runs.size(), 40u);
  outbox.effects.clear();
  on_pack_left(coordinator, kAnn, {2}, Leaving::kOutOfMemory, 0.02, outbox);
  EXPECT_EQ(coordinator.most.at(0), 2);
  EXPECT_EQ(last_order(outbox).runs, (std::vector<std::int64_t>{4, 5})) << "what was tried is not handed out together with more";
}

TEST_F(Coordinating, HalvesAPackThatRanOutOfMemoryUntilARunIsAlone) {
  auto coordinator = sweep_of_packs({3});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  take(outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kOutOfMemory, 1, outbox);
  EXPECT_EQ(take(outbox), "packs of 1 at most\n"
                          "ledger: run 0 attempt 1 run 1 attempt 1 run 2 attempt 1 stopped\n"
                          "ledger: pack 2 of run 0 attempt 2\n"
                          "pack 2 -> ann\n");
  on_pack_left(coordinator, kAnn, PackId{2}, Leaving::kOutOfMemory, 2, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 failed: out of memory, even alone. Make it smaller, or start fewer ranks on this host.\n"
                          "ledger: pack 3 of run 1 attempt 2\n"
                          "pack 3 -> ann\n");
}

TEST_F(Coordinating, HandsOutNoMoreOfASignatureThanOnceFittedIntoMemory) {
  auto coordinator = sweep_of_packs({4, 4, 4});
  coordinator.waiting[2].signature = 1;
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_pack_left(coordinator, kAnn, PackId{1}, Leaving::kOutOfMemory, 1, outbox);
  for (int pack = 2; pack <= 6; ++pack) {
    EXPECT_EQ(coordinator.running.at(PackId{pack}).members, pack < 6 ? 2 : 4) << pack;
    on_pack_left(coordinator, kAnn, PackId{pack}, Leaving::kEnded, 1, outbox);
  }
  EXPECT_TRUE(finished(coordinator));
}

TEST_F(Coordinating, CountsWorkersThatWereLostBeforeItBegan) {
  auto coordinator = coordinate({id_of, {{{0}}}, {{0, Tries{2, 2}}}, 3, 1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_worker_lost(coordinator, kAnn, "", 1, outbox);
  EXPECT_EQ(coordinator.quarantined, 1);
  EXPECT_TRUE(finished(coordinator));
}

TEST_F(Coordinating, BlamesNobodyForWorkersThatAreLostAfterAStop) {
  auto coordinator = coordinate({id_of, {{{0}}}, {{0, Tries{2, 2}}}, 3, 1});
  on_worker_ready(coordinator, kAnn, anyone, 0, outbox);
  on_stop(coordinator, outbox);
  take(outbox);
  on_worker_lost(coordinator, kAnn, "", 1, outbox);
  EXPECT_EQ(take(outbox), "ledger: run 0 attempt 3 stopped\n");
  EXPECT_EQ(coordinator.quarantined, 0);
}

}  // namespace
}  // namespace palimpsest
