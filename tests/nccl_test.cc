// Collectives over NCCL, by its twin in host memory: what is asked of streams and events, and what is said when
// something fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "runtime/over_nccl.h"
#include "tests/nccl_twin.h"

namespace palimpsest {
namespace {

class OverNccl : public testing::Test {
 protected:
  OverNccl() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    NcclTwin::ranks = alone_.get();
    NcclTwin::log.clear();
    NcclTwin::ends = true;
    NcclTwin::state = ncclSuccess;
  }
  std::unique_ptr<Communicator> build(int seconds = 25) {
    return over_nccl(
        *alone_, {.device = 0, .compute_stream = &NcclTwin::compute_stream, .time_out = std::chrono::seconds(seconds)},
        library_);
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

TEST_F(OverNccl, ACollectiveWaitsForWhatWasComputedAndWhatIsComputedNextWaitsForIt) {
  const auto world = build();
  auto x = at::ones({4});
  world->all_reduce(x, Reduction::kSum);
  EXPECT_THAT(NcclTwin::log, testing::ElementsAre("mark compute", "communication waits", "all_reduce on communication",
                                                  "mark communication", "compute waits"));
}

TEST_F(OverNccl, EveryEventThatIsMadeIsGivenBack) {
  {
    const auto world = build();
    auto x = at::ones({4});
    for (int i = 0; i < 10; ++i) world->broadcast(x, 0);
  }
  EXPECT_EQ(NcclTwin::events, 0);
}

TEST_F(OverNccl, ACollectiveThatDoesNotEndEndsTheWorldByNameOfRankAndCollective) {
  NcclTwin::ends = false;
  EXPECT_EXIT(
      reduce_and_wait(), testing::ExitedWithCode(3),
      "rank 0: NCCL failed in all_reduce \\(collective 1\\): it has not ended within 1 s: another rank is gone, "
      "stopped or in another collective\\. Run the same command again to resume\\.");
}

TEST_F(OverNccl, AnErrorThatComesLaterEndsTheWorldByNameOfRankAndCollective) {
  NcclTwin::ends = false;
  NcclTwin::state = ncclRemoteError;
  EXPECT_EXIT(reduce_and_wait(), testing::ExitedWithCode(3),
              "rank 0: NCCL failed in all_reduce \\(collective 1\\): a remote process exited");
}

TEST_F(OverNccl, AnErrorOfTheCallItselfEndsTheWorldByNameOfRankAndCollective) {
  auto failing = library_;
  failing.all_gather = [](const void*, void*, std::size_t, ncclDataType_t, ncclComm_t, cudaStream_t) {
    return ncclSystemError;
  };
  const auto gather = [&] {
    const auto world = over_nccl(*alone_, {.compute_stream = &NcclTwin::compute_stream}, failing);
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
