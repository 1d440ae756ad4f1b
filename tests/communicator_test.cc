#include "runtime/communicator.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/communicators.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/over_nccl.h"
#include "runtime/through_host.h"

namespace palimpsest {
namespace {

// Run by 7 ranks (tests/CMakeLists.txt); the first 1, 2, 4 or 7 of them form the world of a test, the others look on.
// `staged`: with copies of its tensors, as if they were on a device.
struct World {
  int ranks;
  bool staged;
};
void PrintTo(const World& world, std::ostream* out) { *out << world.ranks << (world.staged ? " ranks, staged" : " ranks"); }

class Collectives : public testing::TestWithParam<World> {
 protected:
  void SetUp() override {
    everyone_ = over_mpi();
    ASSERT_EQ(everyone_->world_size(), 7);
    const bool member = everyone_->rank() < GetParam().ranks;
    auto group = over_mpi(member ? 0 : 1);
    if (member) world_ = GetParam().staged ? through_host(std::move(group), Staged::kAll) : std::move(group);
  }
  void TearDown() override { everyone_->barrier(); }

  template <class Body>
  void on_each_rank(Body body) {
    if (world_) body(*world_);
  }

  std::unique_ptr<Communicator> everyone_, world_;
};

INSTANTIATE_TEST_SUITE_P(Ranks, Collectives, testing::Values(World{1, false}, World{2, false}, World{4, false}, World{7, false}, World{2, true}, World{7, true}));

// Element i on rank r. Small whole numbers, so that bfloat16 holds every sum exactly.
at::Tensor numbers(std::int64_t n, int rank, at::ScalarType type) { return (at::arange(n, at::kFloat).remainder(5) + rank).to(type); }

constexpr at::ScalarType kTypes[] = {at::kFloat, at::kBFloat16};
constexpr std::int64_t kSizes[] = {0, 1, 3, 7, 64, 1001};   // fewer than ranks, not divisible, divisible

TEST_P(Collectives, AllReduceGivesTheClosedFormOnEveryRank) {
  on_each_rank([](Communicator& world) {
    const int W = world.world_size();
    for (const auto type : kTypes)
      for (const auto n : kSizes) {
        const auto base = at::arange(n, at::kFloat).remainder(5);
        auto sum = numbers(n, world.rank(), type), mean = sum.clone(), max = sum.clone();
        world.all_reduce(sum, Reduction::kSum);
        world.all_reduce(mean, Reduction::kMean);
        world.all_reduce(max, Reduction::kMax);
        EXPECT_TRUE(at::equal(sum, (base * W + W * (W - 1) / 2).to(type))) << n;
        EXPECT_TRUE(at::equal(mean, (base + (W - 1) / 2.0).to(type))) << n;
        EXPECT_TRUE(at::equal(max, (base + (W - 1)).to(type))) << n;
      }
  });
}

TEST_P(Collectives, ReduceScatterGivesEachRankItsPart) {
  on_each_rank([](Communicator& world) {
    const int W = world.world_size();
    for (const auto type : kTypes)
      for (const std::int64_t n : {0, 1, 6, 500}) {
        const auto whole = numbers(W * n, world.rank(), type).view({W * n, 1});
        auto part = at::empty({n, 1}, type);
        world.reduce_scatter(part, whole, Reduction::kSum);
        const auto total = (at::arange(W * n, at::kFloat).remainder(5) * W + W * (W - 1) / 2).to(type);
        EXPECT_TRUE(at::equal(part.view({-1}), total.slice(0, world.rank() * n, (world.rank() + 1) * n))) << n;
      }
  });
}

TEST_P(Collectives, AllGatherPutsPartsInRankOrder) {
  on_each_rank([](Communicator& world) {
    const int W = world.world_size();
    for (const auto type : kTypes)
      for (const std::int64_t n : {0, 1, 33}) {
        auto whole = at::empty({W * n, 2}, type);
        world.all_gather(whole, at::full({n, 2}, world.rank() + 1.0, type));
        EXPECT_TRUE(at::equal(whole, at::arange(1, W + 1).repeat_interleave(n).view({-1, 1}).expand({W * n, 2}).to(type)));
      }
  });
}

TEST_P(Collectives, BroadcastGivesTheRootsValueOfAnyType) {
  on_each_rank([](Communicator& world) {
    for (const auto type : {at::kFloat, at::kBFloat16, at::kLong, at::kDouble, at::kByte})
      for (int root = 0; root < world.world_size(); ++root)
        for (const std::int64_t n : {0, 1, 1000}) {
          auto x = at::full({n}, world.rank() + 5, type);
          world.broadcast(x, root);
          EXPECT_TRUE(at::equal(x, at::full({n}, root + 5, type)));
        }
  });
}

TEST_P(Collectives, ASumIsTheBitsOfAddingInRankOrder) {
  on_each_rank([](Communicator& world) {
    const auto of_rank = [](int rank) { return at::sin(at::arange(3000, at::kFloat) * (rank + 1.1)) * std::pow(10.0, rank % 3); };
    auto expected = of_rank(0);
    for (int rank = 1; rank < world.world_size(); ++rank) expected.add_(of_rank(rank));
    for (int call = 0; call < 3; ++call) {
      auto x = of_rank(world.rank());
      world.all_reduce(x, Reduction::kSum);
      EXPECT_TRUE(at::equal(x, expected));
    }
  });
}

TEST_P(Collectives, Bfloat16IsAddedInFloat32AndRoundedOnce) {
  on_each_rank([](Communicator& world) {
    // 256 + 1 is 256 in bfloat16: adding there would lose every 1.
    auto x = at::full({9}, world.rank() == 0 ? 256.0 : 1.0, at::kBFloat16);
    world.all_reduce(x, Reduction::kSum);
    EXPECT_TRUE(at::equal(x, at::full({9}, 256.0 + world.world_size() - 1, at::kFloat).to(at::kBFloat16)));
  });
}

TEST_P(Collectives, NotANumberReachesEveryRankThroughMax) {
  on_each_rank([](Communicator& world) {
    auto x = at::full({3}, world.rank() == world.world_size() - 1 ? std::nan("") : 1.0, at::kFloat);
    world.all_reduce(x, Reduction::kMax);
    EXPECT_TRUE(x.isnan().all().item<bool>());
  });
}

TEST_P(Collectives, NobodyLeavesABarrierBeforeTheLastHasCome) {
  on_each_rank([](Communicator& world) {
    auto root = at::full({1}, static_cast<std::int64_t>(getpid()), at::kLong);
    world.broadcast(root, 0);
    const auto folder = std::filesystem::temp_directory_path() / ("palimpsest-barrier-" + std::to_string(root.item<std::int64_t>()));
    std::filesystem::create_directories(folder);
    if (world.rank() == world.world_size() - 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::ofstream(folder / std::to_string(world.rank())) << "came";
    world.barrier();
    for (int rank = 0; rank < world.world_size(); ++rank) EXPECT_TRUE(std::filesystem::exists(folder / std::to_string(rank))) << rank;
    world.barrier();
    if (world.rank() == 0) std::filesystem::remove_all(folder);
    world.barrier();
  });
}

TEST_P(Collectives, RefuseWhatTheyCannotAdd) {
  on_each_rank([](Communicator& world) {
    if (world.world_size() == 1) return;
    auto whole_numbers = at::zeros({4}, at::kLong);
    auto transposed = at::zeros({4, 3}, at::kFloat).t();
    EXPECT_THROW(world.all_reduce(whole_numbers, Reduction::kSum), std::logic_error);
    EXPECT_THROW(world.all_reduce(transposed, Reduction::kSum), std::logic_error);
  });
}

TEST_P(Collectives, RefuseMemoryThatIsNotTheHosts) {
  if (GetParam().staged) return;   // they are copied to it
  on_each_rank([](Communicator& world) {
    auto x = at::zeros({4}, at::kMeta), whole = at::zeros({4 * world.world_size()}, at::kMeta);
    EXPECT_THROW(world.all_reduce(x, Reduction::kSum), std::logic_error);
    EXPECT_THROW(world.reduce_scatter(x, whole, Reduction::kSum), std::logic_error);
    EXPECT_THROW(world.all_gather(whole, x), std::logic_error);
    EXPECT_THROW(world.broadcast(x, 0), std::logic_error);
  });
}

TEST(Communicators, AreFoundByName) {
  const MpiWorld alone;
  EXPECT_EQ(communicator_named("mpi", alone)->world_size(), 1);
  EXPECT_EQ(communicator_named("auto", alone)->world_size(), 1);
  EXPECT_THAT([&] { communicator_named("pigeon", alone); },
              testing::ThrowsMessage<InputError>("--communicator pigeon: there is none of this name. Take one of: auto, mpi, nccl."));
  std::string why = why_no_nccl();
  if (why.empty() && gpu_count(why) > 0) return;
  EXPECT_THAT([&] { communicator_named("nccl", alone); },
              testing::ThrowsMessage<InputError>(testing::StartsWith("--communicator nccl: " + why.substr(0, why.size() - 1))));
}

TEST(SingleProcess, LeavesEveryInputAsItIs) {
  const auto world = single_process();
  const auto x = at::rand({3, 2});
  auto y = x.clone(), z = at::empty_like(x);
  world->all_reduce(y, Reduction::kMean);
  world->broadcast(y, 0);
  EXPECT_TRUE(at::equal(x, y));
  world->reduce_scatter(z, x, Reduction::kSum);
  EXPECT_TRUE(at::equal(x, z));
  world->all_gather(z, x);
  EXPECT_TRUE(at::equal(x, z));
}

}  // namespace
}  // namespace palimpsest
