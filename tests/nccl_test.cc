// Collectives over NCCL, by its twin in host memory: what is asked of streams and events, and what is said when
// something fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "runtime/communication_thread.h"
#include "runtime/over_nccl.h"
#include "tests/nccl_twin.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;

class OverNccl : public testing::Test {
 protected:
  OverNccl() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    NcclTwin::ranks = alone_.get();
    NcclTwin::log.clear();
    NcclTwin::looks = NcclTwin::collectives = 0;
    NcclTwin::begins = NcclTwin::ends = NcclTwin::joins = true;
    NcclTwin::on_host = false;
    NcclTwin::state = ncclSuccess;
    NcclTwin::compute.device = 0;
  }
  std::unique_ptr<Communicator> build(int seconds = 25, int device = 0) {
    NcclTwin::compute.device = device;
    return over_nccl(
        single_process(),
        {.device = device, .compute_stream = &NcclTwin::compute, .time_out = std::chrono::seconds(seconds)}, library_);
  }
  /// Reduces, and waits for the end of the world.
  void reduce_and_wait() {
    const auto world = build(1);
    auto x = at::ones({4});
    world->all_reduce(x, Reduction::kSum);
    world->all_reduce(x, Reduction::kSum);
    std::this_thread::sleep_for(std::chrono::seconds(20));
  }

  const NcclLibrary library_ = NcclTwin::library();
  std::unique_ptr<Communicator> alone_ = single_process();
};

TEST_F(OverNccl, ACollectiveWaitsForWhatWasComputedAndNobodyWaitsForItBeforeTheFence) {
  const auto world = build();
  auto x = at::ones({4});
  world->all_reduce(x, Reduction::kSum);
  EXPECT_THAT(NcclTwin::log, ElementsAre("mark compute", "communication waits", "mark communication",
                                         "all_reduce on communication", "mark communication"));
  NcclTwin::log.clear();
  const Fence fence = world->fence();
  EXPECT_THAT(NcclTwin::log, ElementsAre("mark communication"));
  fence();
  EXPECT_THAT(NcclTwin::log, ElementsAre("mark communication", "compute waits"));
}

TEST_F(OverNccl, WhoeverWaitsForAPostedCollectiveMakesItsOwnComputingWait) {
  const auto world = build();
  auto x = at::ones({4});
  {
    CommunicationThread thread(*world, nullptr);
    const auto first = thread.post("first", [&] { world->all_reduce(x, Reduction::kSum); });
    const auto second = thread.post("second", [&] { world->all_reduce(x, Reduction::kSum); });
    EXPECT_EQ(std::ranges::count(NcclTwin::log, "compute waits"), 0) << "two are under way, and computing goes on";
    first.wait();
    EXPECT_EQ(std::ranges::count(NcclTwin::log, "compute waits"), 1);
  }
}

TEST_F(OverNccl, AThreadWhoseCurrentDeviceIsAnotherMayCallIt) {
  const auto world = build(25, /*device=*/1);
  std::thread([&] {
    ASSERT_EQ(NcclTwin::device, 0);
    auto x = at::ones({4});
    world->all_reduce(x, Reduction::kSum);
    const auto half = world->split(0);
    NcclTwin::device = 0;
    half->all_reduce(x, Reduction::kSum);
  }).join();
  std::thread([fence = world->fence()] { fence(); }).join();
  EXPECT_EQ(NcclTwin::collectives, 2);
}

TEST_F(OverNccl, TensorsOfTheHostGoOverTheHostsRanks) {
  NcclTwin::on_host = true;
  const auto world = build();
  auto x = at::ones({4}), y = at::zeros({4});
  world->all_reduce(x, Reduction::kSum);
  world->broadcast(x, 0);
  world->all_gather(y, x);
  world->reduce_scatter(y, x, Reduction::kSum);
  EXPECT_TRUE(at::equal(x, y));
  EXPECT_EQ(NcclTwin::collectives, 0);
}

TEST_F(OverNccl, TensorsAreKeptUntilTheirCollectiveIsThrough) {
  NcclTwin::ends = false;
  const auto world = build();
  auto x = at::ones({4}), y = at::ones({4});
  world->all_reduce(x, Reduction::kSum);
  EXPECT_EQ(x.use_count(), 2u);
  NcclTwin::ends = true;
  world->all_reduce(y, Reduction::kSum);
  EXPECT_EQ(x.use_count(), 1u);
}

TEST_F(OverNccl, EveryEventAndStreamThatIsMadeIsGivenBack) {
  {
    const auto world = build();
    const auto half = world->split(0);
    auto x = at::ones({4});
    for (int i = 0; i < 10; ++i) world->broadcast(x, 0), half->broadcast(x, 0);
    EXPECT_EQ(NcclTwin::streams, 1) << "what it is split into shares it";
  }
  EXPECT_EQ(NcclTwin::events, 0);
  EXPECT_EQ(NcclTwin::streams, 0);
}

TEST_F(OverNccl, ACollectiveThatDoesNotEndEndsTheWorldByNameOfRankAndCollective) {
  NcclTwin::ends = false;
  EXPECT_EXIT(
      reduce_and_wait(), testing::ExitedWithCode(3),
      "rank 0: NCCL failed in all_reduce \\(collective 1\\): it has not ended within 1 s: another rank is gone, "
      "stopped or in another collective\\. Run the same command again to resume\\.");
}

TEST_F(OverNccl, ACollectiveThatWaitsForWhatIsComputedIsNotLate) {
  NcclTwin::begins = false;
  const auto world = build(/*seconds=*/1);
  auto x = at::ones({4});
  world->all_reduce(x, Reduction::kSum);
  while (NcclTwin::looks < 20) std::this_thread::yield();
  NcclTwin::begins = true;
  world->all_reduce(x, Reduction::kSum);
  EXPECT_EQ(NcclTwin::collectives, 2) << "the world goes on";
}

TEST_F(OverNccl, RanksThatDoNotJoinEndTheWorld) {
  NcclTwin::joins = false;
  EXPECT_EXIT(build(1), testing::ExitedWithCode(3),
              "rank 0: NCCL failed in joining the ranks: it has not ended within 1 s: another rank is gone");
}

TEST_F(OverNccl, AnErrorThatComesLaterEndsTheWorldByNameOfRankAndCollective) {
  NcclTwin::ends = false;
  NcclTwin::state = ncclRemoteError;
  EXPECT_EXIT(reduce_and_wait(), testing::ExitedWithCode(3),
              "rank 0: NCCL failed in all_reduce \\(collective 1\\): a remote process exited");
}

TEST_F(OverNccl, AnErrorOfTheDeviceEndsTheWorld) {
  auto failing = library_;
  failing.event_query = [](cudaEvent_t) { return cudaErrorMemoryAllocation; };
  const auto gather = [&] {
    const auto world = over_nccl(single_process(), {.compute_stream = &NcclTwin::compute}, failing);
    auto x = at::ones({4});
    for (int i = 0; i < 2; ++i) world->all_reduce(x, Reduction::kSum);
  };
  EXPECT_EXIT(gather(), testing::ExitedWithCode(3), "rank 0: CUDA failed in what is under way: out of memory");
}

TEST_F(OverNccl, AnErrorOfTheCallItselfEndsTheWorldByNameOfRankAndCollective) {
  auto failing = library_;
  failing.all_gather = [](const void*, void*, std::size_t, ncclDataType_t, ncclComm_t, cudaStream_t) {
    return ncclSystemError;
  };
  const auto gather = [&] {
    const auto world = over_nccl(single_process(), {.compute_stream = &NcclTwin::compute}, failing);
    auto whole = at::empty({4});
    world->all_gather(whole, at::ones({4}));
  };
  EXPECT_EXIT(gather(), testing::ExitedWithCode(3), "rank 0: NCCL failed in all_gather: a remote process exited");
}

TEST_F(OverNccl, WhereItCannotBeUsedTheReasonSaysWhatToInstall) {
  const auto why = why_no_nccl();
  EXPECT_TRUE(why.empty() || why.find("Install") != std::string::npos) << why;
}

}  // namespace
}  // namespace palimpsest
