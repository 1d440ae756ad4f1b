// Run by 4 ranks (tests/CMakeLists.txt).

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <sstream>

#include "models/gathering.h"
#include "models/replicas.h"
#include "models/sharding_units.h"
#include "runtime/durable_file.h"
#include "runtime/sharded_gradients.h"
#include "tests/over_ranks.h"
#include "tests/small_contrastive.h"

namespace palimpsest {
namespace {

using ContrastiveOverRanks = OverRanks;

Batch part_of_rank(const Batch& whole, const Communicator& world) {
  const std::int64_t first = world.rank() * whole.global_size / world.world_size(),
                     end = (world.rank() + 1) * whole.global_size / world.world_size();
  return {.images = whole.images.slice(0, first, end),
          .second = whole.second.slice(0, first, end),
          .streams = {whole.streams.begin() + first, whole.streams.begin() + end},
          .global_size = whole.global_size,
          .first = first,
          .training = true};
}

struct Step {
  double loss = 0;
  std::vector<at::Tensor> gradients;
};

// Loss and gradients of a batch of 10 over all ranks of a world.
Step step_of(Communicator& ranks, int threads) {
  CommunicationThread thread(ranks, nullptr);
  const auto world = queued(thread, ranks);
  Replicas replicas(find_objective("contrastive"), small_contrastive(), RandomStream(3), *world, threads);
  const auto units = sharding_units(replicas.weights());
  ShardGroups groups(*world, thread, Strategy::kNone, /*within_node=*/false);
  ShardedGradients gradients(units, groups, thread, Strategy::kNone);
  gradients.begin(/*last=*/true);
  const double share = sum_of(replicas.backward(part_of_rank(pairs_batch(10), *world), std::vector<BlockRunner*>(threads)));
  gradients.finish();
  gradients.wait();
  Step step{sum_over_ranks(*world, {share})[0], {}};
  for (std::size_t unit = 0; unit < units.size(); ++unit) step.gradients.push_back(gradients.share(unit).clone());
  return step;
}

TEST_F(ContrastiveOverRanks, LossAndGradientsOfTwoThreeAndFourRanksAreThoseOfOne) {
  const auto alone = single_process();
  const Step expected = step_of(*alone, 1);
  for (const int ranks : {1, 2, 3, 4}) {  // 10 images over 3 and 4 ranks: parts of unequal size
    const auto world = first(ranks);
    if (!world) continue;
    const Step got = step_of(*world, ranks == 2 ? 2 : 1);
    EXPECT_NEAR(got.loss, expected.loss, 2e-6) << ranks;
    for (std::size_t i = 0; i < expected.gradients.size(); ++i)
      EXPECT_TRUE(at::allclose(got.gradients[i], expected.gradients[i], 1e-4, 2e-6))
          << ranks << " ranks, parameter " << i;
  }
}

// sum_i sum_j c_ij over all pairs, where c_ij = (i + 1) (j + 1) x_i x_j and x is one number a row: every rank's part of
// it is known in closed form.
TEST_F(ContrastiveOverRanks, TheGradientOfAGatheredRowComesFromAllRanks) {
  for (const int ranks : {1, 2, 4}) {
    const auto world = first(ranks);
    if (!world) continue;
    constexpr std::int64_t kRows = 9;
    Gathering gathering(*world, 1);
    const std::int64_t begin = world->rank() * kRows / ranks, end = (world->rank() + 1) * kRows / ranks;
    const auto x = (at::arange(kRows, at::kFloat) * 0.25 - 1).view({kRows, 1}),
               weights = at::arange(1, kRows + 1, at::kFloat).view({kRows, 1});
    auto mine = x.slice(0, begin, end).clone().set_requires_grad(true);
    const auto all = gathering.all(mine, kRows, 0);
    EXPECT_TRUE(at::equal(all, x));
    ((mine * weights.slice(0, begin, end)).sum() * (all * weights).sum()).backward();
    const auto expected = 2 * weights.slice(0, begin, end) * (x * weights).sum();
    EXPECT_TRUE(at::allclose(mine.grad(), expected, 1e-5, 1e-5)) << ranks << " ranks";
  }
}

std::vector<double> column(const std::string& csv, int number) {
  std::istringstream lines(csv);
  std::vector<double> values;
  std::string line, field;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    for (int i = 0; i <= number; ++i) std::getline(fields, field, ',');
    if (!field.empty()) values.push_back(std::stod(field));
  }
  return values;
}

TEST_F(ContrastiveOverRanks, LossCurveOfTwoAndFourRanksIsThatOfOne) {
  const TemporaryFolder folder("contrastive-ranks", *everyone_);
  std::vector<std::string> curves;
  for (const int ranks : {1, 2, 4}) {
    const auto out = folder / std::to_string(ranks);
    if (const auto world = first(ranks))
      pretrain(small_contrastive(), *world, {.out = out, .should_stop = {}, .threads = 1});
    if (everyone_->rank() == 0) curves.push_back(read_file(out / "losses.csv"));
  }
  for (const int what : {1, 2}) {  // loss, validation
    for (std::size_t curve = 1; curve < curves.size(); ++curve) {
      const auto alone = column(curves[0], what), together = column(curves[curve], what);
      ASSERT_EQ(together.size(), alone.size());
      for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_NEAR(together[i] / alone[i], 1, 1e-5) << curve << ", " << i;
    }
  }
}

}  // namespace
}  // namespace palimpsest
