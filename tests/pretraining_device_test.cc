#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "models/objective.h"
#include "models/sharding_units.h"
#include "runtime/sharded_blocks.h"
#include "tests/pretraining_shapes.h"
#include "tests/small_pretraining.h"

namespace palimpsest {
namespace {

/// One process's weights and gradients on a device, as ShardedTraining has them.
struct OnDevice {
  OnDevice(Objective& objective, Strategy strategy, at::ScalarType compute, at::Device device)
      : units(sharding_units({&objective.weights()})),
        groups(*world, thread, strategy, /*within_node=*/false),
        gradients(units, groups, thread, strategy),
        weights(units, groups, thread, compute, strategy != Strategy::kFull, device),
        blocks(units, weights, gradients, /*recompute=*/false, nullptr) {}

  at::Tensor backward(const Objective& objective, const Batch& batch) {
    for (std::size_t unit = 0; unit < units.size(); ++unit)
      if (!units[unit].is_block) weights.want(unit);
    gradients.begin(/*last=*/true);
    const BlockRunnerScope scope(&blocks);
    const auto loss = objective.loss(batch);
    loss.backward();
    gradients.finish();
    gradients.wait();
    return loss;
  }

  std::unique_ptr<Communicator> world = single_process();
  CommunicationThread thread{*world, nullptr};
  std::vector<ShardingUnit> units;
  ShardGroups groups;
  ShardedGradients gradients;
  ShardedWeights weights;
  ShardedBlocks blocks;
};

class PretrainingStep : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Objective> objective() {
    auto settings = small_pretraining();
    settings.set("objective.name", GetParam());
    settings.set("training.dropout", 0.1);
    return find_objective(GetParam()).build(settings, RandomStream(3));
  }
};

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const ObjectiveInfo* one : objectives()) all.emplace_back(one->name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Of, PretrainingStep, testing::ValuesIn(names()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST_P(PretrainingStep, KeepsEveryTensorOnTheDeviceOfItsWeights) {
  for (const Strategy strategy : {Strategy::kNone, Strategy::kFull})
    for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
      const auto training = objective();
      make_shapes_alone(training->weights());
      OnDevice there(*training, strategy, compute, at::kMeta);
      EXPECT_TRUE(there.backward(*training, made_up_batch(at::kMeta)).is_meta());
      for (std::size_t unit = 0; unit < there.units.size(); ++unit) {
        EXPECT_TRUE(there.weights.share(unit).is_meta()) << there.units[unit].name;
        EXPECT_TRUE(there.gradients.share(unit).is_meta()) << there.units[unit].name;
        EXPECT_EQ(there.gradients.share(unit).scalar_type(), at::kFloat) << there.units[unit].name;
      }
    }
}

}  // namespace
}  // namespace palimpsest
