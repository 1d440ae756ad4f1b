// A sweep of ten million runs takes the room of a small one. All memory of this program is counted, so it is a program of its own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "sweeps/coordinator.h"
#include "sweeps/outline.h"
#include "tests/temporary_folder.h"

namespace {

std::atomic<std::int64_t> held{0}, most_held{0};
constexpr std::size_t kHead = 16;   // the size, before each block

}  // namespace

void* operator new(std::size_t bytes) {
  void* block = std::malloc(kHead + bytes);
  if (!block) throw std::bad_alloc();
  *static_cast<std::size_t*>(block) = bytes;
  const auto now = held.fetch_add(static_cast<std::int64_t>(bytes)) + static_cast<std::int64_t>(bytes);
  for (auto before = most_held.load(); before < now && !most_held.compare_exchange_weak(before, now);) {
  }
  return static_cast<char*>(block) + kHead;
}

void operator delete(void* there) noexcept {
  if (!there) return;
  void* block = static_cast<char*>(there) - kHead;
  held -= static_cast<std::int64_t>(*static_cast<std::size_t*>(block));
  std::free(block);
}
void operator delete(void* there, std::size_t) noexcept { operator delete(there); }

namespace palimpsest {
namespace {

constexpr std::int64_t kRuns = 10'000'000, kMuch = 8 << 20;   // bytes: less than one for each run

/// Bytes that `work` held at most, beside what was held before.
template <class Work>
std::int64_t most_of(Work work) {
  const std::int64_t before = held;
  most_held = before;
  work();
  return most_held - before;
}

Definition definition_of(const std::string& rest) {
  return read_definition_text("study = \"planted\"\nname = \"many\"\n" + rest, "many.toml");
}

std::string list(int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += (i ? ", " : "") + std::to_string(i + 1);
  return "[" + all + "]";
}

// 100 x 100 x 10 cells of a thousand runs, or as many cells as runs.
const std::string kSeeds = "[sweep]\nmax_runs = 100000000\nseeds = 1000\n[sweep.grid]\n\"planted.world\" = " + list(100) + "\n\"planted.fail_seed\" = " + list(100) + "\n";
const std::string kCells = "[sweep]\nmax_runs = 100000000\n[sweep.grid]\n\"planted.size\" = [1, 2, 4, 8, 16]\n\"planted.world\" = " + list(200) + "\n\"planted.fail_seed\" = " + list(100) +
                           "\n\"planted.most\" = " + list(100) + "\n";

class OfManyRuns : public testing::TestWithParam<std::string> {};

TEST_P(OfManyRuns, ASweepIsPlannedRecordedAndBegunInTheRoomOfASmallOne) {
  const Definition definition = definition_of(GetParam());
  const TemporaryFolder folder;
  std::optional<Plan> plan;
  EXPECT_LT(most_of([&] { plan.emplace(definition); }), kMuch);
  ASSERT_EQ(plan->size(), kRuns);
  EXPECT_LT(most_of([&] {
              Ledger ledger = Ledger::open_for_writing(folder.path());
              ledger.record_definition(*plan, RunSet::below(plan->size()), {});
              ledger.record_definition(*plan, RunSet::below(plan->size()), {});
            }),
            kMuch);
  EXPECT_LT(most_of([&] { outline(*plan, 2, 1 << 30, progressed_in(folder.path(), *plan)); }), kMuch);
  EXPECT_LT(most_of([&] {
              PackCutter cutter(WaitingRuns(*plan, RunSet::below(plan->size())), {}, 2);
              for (int i = 0; i < 100; ++i) EXPECT_TRUE(cutter.next());
            }),
            kMuch);
}

INSTANTIATE_TEST_SUITE_P(SeedsOrCells, OfManyRuns, testing::Values(kSeeds, kCells));

TEST(ManyRuns, AreLeftOutByABitEach) {
  const Definition definition = definition_of(kCells + "[[sweep.exclude]]\n\"planted.size\" = [2, 4]\n\"planted.most\" = [7]\n");
  std::optional<Plan> plan;
  EXPECT_LT(most_of([&] { plan.emplace(definition); }), kMuch);
  EXPECT_EQ(plan->size(), kRuns - kRuns * 2 / 5 / 100);
  EXPECT_EQ(plan->dropped(), kRuns * 2 / 5 / 100);
  for (const std::int64_t number : {std::int64_t{0}, std::int64_t{2'000'003}, plan->size() - 1}) {
    const RunSpec run = plan->run_at(number);
    EXPECT_EQ(RunFinder(*plan).number_of(run.id, 0, [&] { return run.settings; }, run.image_set, run.seed), number);
  }
}

TEST(ManyRuns, AreCutIntoPacksOfOneSignatureWhereSignaturesAreNotAskedOfEachCell) {
  const Plan plan(definition_of(kCells));
  std::map<std::string, std::int64_t> sizes;
  for (int size : {1, 2, 4, 8, 16}) sizes["condition a size " + std::to_string(size) + " steps 10"] = 50'000;
  PackCutter cutter(WaitingRuns(plan, RunSet::below(plan.size())), sizes, 2);
  EXPECT_EQ(cutter.packs(), 200);
  std::int64_t runs = 0;
  for (int pack = 0; pack < 5; ++pack) {
    const auto cut = cutter.next();
    ASSERT_TRUE(cut);
    runs += static_cast<std::int64_t>(cut->runs.size());
    for (const std::int64_t run : {cut->runs.front(), cut->runs.back()}) EXPECT_EQ(plan.signature_of(run), cut->signature);
  }
  EXPECT_EQ(runs, 250'000);
}

TEST(ManyRuns, AreToldApartByTheKeysThatChangeTheSignature) {
  const Plan plan(definition_of(kCells));
  const Outline seen = outline(plan, 2, 1 << 30);
  ASSERT_EQ(seen.packs.size(), 5u);
  for (const PackOutline& pack : seen.packs) {
    ASSERT_EQ(pack.differs.size(), 1u) << pack.signature;
    EXPECT_EQ(pack.differs[0].first, "planted.size");
    EXPECT_EQ(pack.differs[0].second.size(), 1u);
    EXPECT_EQ(pack.runs, kRuns / 5);
  }
}

TEST(ManyRuns, AreHandedOutFromASourceThatIsAskedForOnePackAtATime) {
  const auto source = std::make_shared<std::int64_t>(0);
  Backlog backlog{[](std::int64_t run) { return "run " + std::to_string(run); }, {}, {}, 1, 1};
  backlog.rest = {[source]() -> std::optional<Pack> { return Pack{{(*source)++}, 0}; }, kRuns};
  Coordinator coordinator = coordinate(std::move(backlog));
  EXPECT_EQ(coordinator.runs_waiting, kRuns);
  Outbox outbox;
  EXPECT_LT(most_of([&] {
              on_worker_ready(coordinator, {1}, {"node", "cpu", 1, {}}, 0, outbox);
              for (std::int64_t run = 0; run < 1000; ++run) {
                RunResult result;
                result.id = "run " + std::to_string(run);
                const auto now = static_cast<double>(run + 1);   // a second each, so they come one by one
                on_run_finished(coordinator, {1}, {run + 1}, result, now, outbox);
                on_pack_left(coordinator, {1}, {run + 1}, Leaving::kEnded, now, outbox);
                outbox.effects.clear();
              }
            }),
            kMuch);
  EXPECT_EQ(*source, 1001);
  EXPECT_EQ(coordinator.runs_waiting, kRuns - 1001);
  EXPECT_FALSE(finished(coordinator));
}

}  // namespace
}  // namespace palimpsest
