// Run by 4 ranks (tests/CMakeLists.txt): a tiny model learns from photographs under every strategy on 1, 2 and 4 ranks.
// A few minutes on two cores.

#include <gmock/gmock.h>

#include <cstdlib>
#include <limits>

#include "runtime/agree.h"
#include "tests/small_pretraining.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kSteps = 20, kBatch = 16;

Settings tiny_on_photographs(const std::string& photographs, const char* strategy) {
  Settings settings = default_settings(pretrain_keys());
  for (const auto& [key, value] : {std::pair{"training.steps", kSteps},
                                   {"training.batch", kBatch},
                                   {"training.warmup_steps", std::int64_t{10}},
                                   {"validation.every", kSteps},
                                   {"validation.count", std::int64_t{20}}})
    settings.set(key, value);
  settings.set("model.size", std::string("tiny"));
  settings.set("images.source", std::string("folder"));
  settings.set("images.path", photographs);
  settings.set("sharding.strategy", std::string(strategy));
  settings.set("training.checkpoint_minutes", 0.0);
  return settings;
}

TEST(ATinyModelOnPhotographs, EndsAtOneValidationLossUnderEveryStrategyOnOneTwoAndFourRanks) {
  const char* data = std::getenv("PALIMPSEST_DATA");
  if (!data) GTEST_SKIP() << "PALIMPSEST_DATA is not set to a folder with photos/train";
  const auto everyone = over_mpi();
  const TemporaryFolder folder("photographs", *everyone);
  double alone = std::numeric_limits<double>::quiet_NaN();
  for (const int ranks : {1, 2, 4})
    for (const char* strategy : {"none", "optimizer", "gradients", "full"}) {
      everyone->barrier();
      const bool member = everyone->rank() < ranks;
      const auto world = over_mpi(member ? 0 : 1);
      if (!member) continue;
      const auto name = strategy + std::to_string(ranks);
      const auto result = pretrain(tiny_on_photographs(std::string(data) + "/photos/train", strategy), *world,
                                   {.out = folder / name, .should_stop = {}, .threads = 1});
      if (everyone->rank() != 0) continue;
      if (ranks == 1 && std::string(strategy) == "none") alone = result.validation_loss;
      std::printf("%d ranks, %-9s: validation loss %.7f\n", ranks, strategy, result.validation_loss);
      EXPECT_NEAR(result.validation_loss / alone, 1, 1e-5) << name;
      EXPECT_LT(result.validation_loss, 0.085) << "it has not learned";
    }
  everyone->barrier();
}

}  // namespace
}  // namespace palimpsest
