#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "models/objective.h"
#include "models/sharding_units.h"
#include "runtime/parameter_row.h"
#include "tests/counting_allocator.h"
#include "tests/small_pretraining.h"

// Run by 4 ranks (tests/CMakeLists.txt). What tensors hold is counted by the allocator, all of it; activations are made
// too small to matter: two tokens.

namespace palimpsest {
namespace {

Settings wide_pretraining(const char* strategy) {
  auto settings = small_pretraining();
  for (const auto& [key, value] : {std::pair{"model.width", 256},
                                   {"model.depth", 12},
                                   {"model.heads", 4},
                                   {"model.patch", 16},
                                   {"model.side", 16},
                                   {"training.batch", 4},
                                   {"training.steps", 5},
                                   {"validation.every", 1000}})
    settings.set(key, std::int64_t{value});
  settings.set("objective.name", std::string("autoencoder"));
  settings.set("sharding.strategy", std::string(strategy));
  return settings;
}

struct Sizes {
  double all = 0, block = 0,
         around = 0;  // bytes of float32: of all parameters, of the largest block, of what is around the blocks
};

Sizes sizes_of(const Settings& settings) {
  const auto objective = find_objective(settings.string("objective.name")).build(settings, RandomStream(1));
  Sizes sizes;
  for (const ShardingUnit& unit : sharding_units({&objective->weights()})) {
    const double bytes = 4.0 * static_cast<double>(ParameterRow(unit.copies[0], 1).size());
    sizes.all += bytes;
    if (unit.is_block)
      sizes.block = std::max(sizes.block, bytes);
    else
      sizes.around += bytes;
  }
  return sizes;
}

// runtime/sharding.h: what stays, and what is on its way.
double theory(const std::string& strategy, const Sizes& p, double W) {
  const double reduced = p.block * (W - 1) / W;  // parts of others that are added up
  if (strategy == "none") return 4 * p.all + reduced;
  if (strategy == "optimizer") return 2 * p.all + 2 * p.all / W + reduced;
  if (strategy == "gradients") return p.all + 3 * p.all / W + 2 * p.block;
  return 4 * p.all / W + p.around + 4 * p.block;
}

class ShardingMemory : public testing::TestWithParam<const char*> {};

TEST_P(ShardingMemory, FallsAsTheTheorySaysOnOneTwoAndFourRanks) {
  static CountingAllocator counting;
  c10::SetCPUAllocator(&counting, /*priority=*/10);
  const auto everyone = over_mpi();
  const TemporaryFolder folder("memory", *everyone);
  const auto settings = wide_pretraining(GetParam());
  const Sizes sizes = sizes_of(settings);
  for (const int ranks : {1, 2, 4}) {
    everyone->barrier();
    const bool member = everyone->rank() < ranks;
    const auto world = over_mpi(member ? 0 : 1);
    const auto before = CountingAllocator::held.load();
    std::int64_t peak = 0;
    const auto watch = [&, polls = 0]() mutable {  // once in each step
      if (++polls == 2) CountingAllocator::peak = CountingAllocator::held.load();
      if (polls == 4) peak = CountingAllocator::peak - before;
      return false;
    };
    if (member) pretrain(settings, *world, {.out = folder / std::to_string(ranks), .should_stop = watch, .threads = 1});
    everyone->barrier();
    if (!member) continue;
    const double expected = theory(GetParam(), sizes, ranks);
    if (everyone->rank() == 0)
      std::printf("%s, %d ranks: %.1f MB held at most, %.1f MB in theory\n", GetParam(), ranks,
                  static_cast<double>(peak) / 1e6, expected / 1e6);
    EXPECT_NEAR(static_cast<double>(peak) / expected, 1, 0.15) << GetParam() << ", " << ranks << " ranks";
  }
}

INSTANTIATE_TEST_SUITE_P(Strategies, ShardingMemory, testing::Values("none", "optimizer", "gradients", "full"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace palimpsest
