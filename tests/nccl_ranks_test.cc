#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "runtime/agree.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/over_nccl.h"
#include "runtime/tensor_file.h"
#include "tests/nccl_twin.h"
#include "tests/small_pretraining.h"

// Run by 3 ranks (tests/CMakeLists.txt), over NCCL's twin in host memory.

namespace palimpsest {
namespace {

TEST(NcclOverRanks, CollectivesAreThoseOfMpi) {
  const auto ranks = over_mpi();
  NcclTwin::ranks = ranks.get();
  const auto library = NcclTwin::library();
  const auto world = over_nccl(over_mpi(), {.compute_stream = &NcclTwin::compute}, library);
  const double mine = ranks->rank() + 1;
  auto x = at::full({5}, mine);
  world->all_reduce(x, Reduction::kMean);
  EXPECT_TRUE(at::equal(x, at::full({5}, 2.0)));
  x = at::full({5}, mine);
  world->all_reduce(x, Reduction::kMax);
  EXPECT_TRUE(at::equal(x, at::full({5}, 3.0)));
  auto whole = at::empty({3, 2}, at::kBFloat16);
  world->all_gather(whole, at::full({1, 2}, mine, at::kBFloat16));
  EXPECT_TRUE(at::equal(whole.select(1, 1).to(at::kFloat), at::tensor({1.0f, 2.0f, 3.0f})));
  auto part = at::empty({2});
  world->reduce_scatter(part, at::arange(6, at::kFloat), Reduction::kSum);
  EXPECT_TRUE(at::equal(part, 3 * at::arange(2 * ranks->rank(), 2 * ranks->rank() + 2, at::kFloat)));
  auto words = at::full({2}, ranks->rank(), at::kLong);
  world->broadcast(words, 1);  // whole numbers lie on the host, and go over MPI
  EXPECT_EQ(words[0].item<std::int64_t>(), 1);
  EXPECT_EQ(sum_over_ranks(*world, {mine}), std::vector<double>{6});
  EXPECT_THROW(agree(*world,
                     [&] {
                       if (ranks->rank() == 2) throw InputError("no such file");
                     }),
               InputError);
  ranks->barrier();
}

TEST(NcclOverRanks, FullyShardedTrainingGivesTheBitsItGivesOverMpi) {
  const auto ranks = over_mpi();
  NcclTwin::ranks = ranks.get();
  const auto library = NcclTwin::library();
  const TemporaryFolder folder("nccl", *ranks);
  auto settings = small_pretraining();
  settings.set("sharding.strategy", std::string("full"));
  pretrain(settings, *ranks, {.out = folder / "mpi", .should_stop = {}, .threads = 1});
  {
    NcclTwin::compute.device = 1;  // not the one that a new thread begins with
    const auto world = over_nccl(over_mpi(), {.device = 1, .compute_stream = &NcclTwin::compute}, library);
    pretrain(settings, *world, {.out = folder / "nccl", .should_stop = {}, .threads = 1});
  }
  EXPECT_GT(NcclTwin::collectives, 0);
  if (ranks->rank() == 0) {
    EXPECT_EQ(read_file(folder / "nccl" / "losses.csv"), read_file(folder / "mpi" / "losses.csv"));
  }
  ranks->barrier();
}

}  // namespace
}  // namespace palimpsest
