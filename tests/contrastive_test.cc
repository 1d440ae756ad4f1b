#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "models/colour.h"
#include "models/contrast_loss.h"
#include "models/replicas.h"
#include "models/sharding_units.h"
#include "runtime/adamw.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "tests/small_contrastive.h"

namespace palimpsest {
namespace {

// The weights as leaves that gradients gather at.
std::vector<at::Tensor> leaves(SlowWeights& weights) {
  std::vector<at::Tensor> all;
  for (const ShardingUnit& unit : sharding_units({&weights})) all.insert(all.end(), unit.copies[0].begin(), unit.copies[0].end());
  return all;
}

at::Tensor random_numbers(std::vector<std::int64_t> shape, std::uint64_t seed) {
  auto numbers = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_uniform(numbers.data_ptr<float>(), numbers.numel());
  return numbers;
}

at::Tensor unit_rows(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
  const auto x = random_numbers({rows, width}, seed).to(at::kDouble) - 0.5;
  return x / x.norm(2, {1}, true);
}

double entropy_of_row(const std::vector<double>& logits, std::size_t own) {
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  return std::log(sum) - logits[own];
}

TEST(ContrastLoss, IsTheMeanOfBothCrossEntropiesImageByImage) {
  const auto a = unit_rows(5, 4, 1), b = unit_rows(5, 4, 2);
  const double scale = 7;
  double sum = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    std::vector<double> forth, back;
    for (int j = 0; j < 5; ++j) {
      forth.push_back(scale * a[static_cast<std::int64_t>(i)].dot(b[j]).item<double>());
      back.push_back(scale * b[static_cast<std::int64_t>(i)].dot(a[j]).item<double>());
    }
    sum += entropy_of_row(forth, i) + entropy_of_row(back, i);
  }
  const auto rows = at::cat({a, b}, 1);
  const auto factor = at::full({1}, scale, at::kDouble);
  EXPECT_NEAR(contrast_loss(rows, rows, 0, factor, 5).item<double>(), sum / 10, 1e-12);
  const double parts = contrast_loss(rows.slice(0, 0, 2), rows, 0, factor, 5).item<double>() +
                       contrast_loss(rows.slice(0, 2), rows, 2, factor, 5).item<double>();
  EXPECT_NEAR(parts, sum / 10, 1e-12);
}

TEST(ContrastLoss, GradientsAreTheSlopesOfTheLoss) {
  auto rows = at::cat({unit_rows(4, 3, 1), unit_rows(4, 3, 2)}, 1).set_requires_grad(true);
  auto log_scale = at::full({1}, 1.5, at::kDouble).set_requires_grad(true);
  const auto loss = [](const at::Tensor& r, const at::Tensor& t) {
    return contrast_loss(r, r, 0, bounded_above(t, std::log(100)).exp(), 4);
  };
  loss(rows, log_scale).backward();
  const c10::NoGradGuard no_gradient;
  constexpr double kStep = 1e-6;
  const auto slope = [&](const at::Tensor& parameter, std::int64_t place) {
    auto flat = parameter.detach().view({-1});
    const double kept = flat[place].item<double>();
    flat[place] = kept + kStep;
    const double above = loss(rows, log_scale).item<double>();
    flat[place] = kept - kStep;
    const double below = loss(rows, log_scale).item<double>();
    flat[place] = kept;
    return (above - below) / (2 * kStep);
  };
  for (std::int64_t place = 0; place < rows.numel(); ++place)
    EXPECT_NEAR(rows.grad().view({-1})[place].item<double>(), slope(rows, place), 1e-8);
  EXPECT_NEAR(log_scale.grad().item<double>(), slope(log_scale, 0), 1e-8);
}

TEST(ContrastLoss, TheBoundStopsTheScaleAndLetsItFindBack) {
  for (const double direction : {-1.0, 1.0}) {
    auto x = at::full({1}, 5.0).set_requires_grad(true);
    const auto y = bounded_above(x, 4.0);
    EXPECT_EQ(y.item<float>(), 4.0f);
    (y * direction).sum().backward();
    EXPECT_EQ(x.grad().item<float>(), direction > 0 ? 1.0f : 0.0f)
        << "a step that lowers the loss raises x where the gradient is negative";
  }
}

TEST(Contrastive, AnUntrainedLossIsNearChanceAndTheScaleStartsAtItsTemperature) {
  const c10::NoGradGuard no_gradient;
  const auto objective = contrastive_objective();
  EXPECT_NEAR(objective->weights().head.at("log_scale").value.item<double>(), std::log(1 / 0.07), 1e-6);
  const auto batch = pairs_batch(12);
  const auto baselines = objective->baselines(batch);
  EXPECT_NEAR(baselines.at("chance"), std::log(12.0), 1e-9);
  EXPECT_LT(std::abs(objective->loss(batch).item<double>() - std::log(12.0)), 1.5);
}

TEST(Contrastive, TheClassTokenAndAllOfTheHeadAreTrained) {
  const auto objective = contrastive_objective();
  leaves(objective->weights());
  objective->loss(pairs_batch(6)).backward();
  const auto reached = [](const Parameter& parameter) {
    return parameter.value.grad().defined() && parameter.value.grad().abs().sum().item<float>() > 0;
  };
  EXPECT_TRUE(reached(objective->weights().encoder.at("post_layernorm.weight")));
  EXPECT_TRUE(reached(objective->weights().encoder.at("embeddings.class_embedding")));
  for (const auto& [name, parameter] : objective->weights().head) EXPECT_TRUE(reached(parameter)) << name;
}

TEST(Contrastive, ThreadsOfOneRankGiveTheLossAndGradientsOfOneThread) {
  const auto world = single_process();
  const auto settings = small_contrastive();
  const auto batch = pairs_batch(7);
  std::vector<double> losses;
  std::vector<std::vector<at::Tensor>> gradients;
  for (const int threads : {1, 3}) {
    Replicas replicas(find_objective("contrastive"), settings, RandomStream(3), *world, threads);
    const auto units = sharding_units(replicas.weights());
    losses.push_back(sum_of(replicas.backward(batch, std::vector<BlockRunner*>(static_cast<std::size_t>(threads)))));
    std::vector<at::Tensor> sums;
    for (const ShardingUnit& unit : units)
      for (std::size_t i = 0; i < unit.names.size(); ++i) {
        auto sum = at::zeros_like(unit.copies[0][i].detach());
        for (const auto& copy : unit.copies)
          if (copy[i].grad().defined()) sum += copy[i].grad();
        sums.push_back(sum);
      }
    gradients.push_back(sums);
  }
  EXPECT_NEAR(losses[0], losses[1], 1e-6);
  for (std::size_t i = 0; i < gradients[0].size(); ++i)
    EXPECT_TRUE(at::allclose(gradients[0][i], gradients[1][i], 1e-4, 3e-6)) << i;
}

TEST(Contrastive, StepsOnOneBatchTellItsImagesApart) {
  const auto objective = contrastive_objective();
  std::vector<AdamW::Slot> slots;
  for (const at::Tensor& value : leaves(objective->weights()))
    slots.push_back({.value = value, .own = false, .decay = false, .first = {}, .second = {}});
  AdamW optimizer(std::move(slots), {.learning_rate = {1e-3}, .weight_decay = {0.0}});
  const auto batch = pairs_batch(8);
  double loss = 0;
  for (int step = 0; step < 100; ++step) {
    const auto now = objective->loss(batch);
    now.backward();
    optimizer.step();
    optimizer.zero_grad();
    loss = now.item<double>();
  }
  EXPECT_LT(loss, 0.8 * std::log(8.0));
}

TEST(Contrastive, LeavesAnEncoderAHeadAndPictures) {
  const TemporaryFolder folder("contrastive");
  const auto alone = single_process();
  const auto result = pretrain(small_contrastive(), *alone, {.out = folder / "run", .should_stop = {}, .threads = 2});
  EXPECT_NEAR(result.baselines.at("chance"), std::log(4.0), 1e-6) << "four images to measure on, told from each other";
  EXPECT_TRUE(std::filesystem::exists(folder / "run" / "pictures" / "step-30.png"));
  const auto weights = read_slow_weights(folder / "run" / "weights.safetensors");
  EXPECT_FALSE(weights.decoder_config.has_value());
  EXPECT_TRUE(weights.head.contains("log_scale"));
}

TEST(Contrastive, ARunThatWasStoppedGoesOnToTheSameBits) {
  const TemporaryFolder folder("contrastive-resume");
  const auto settings = small_contrastive();
  const auto alone = single_process();
  const auto train = [&](const char* out, std::function<bool()> stop) {
    pretrain(settings, *alone, {.out = folder / out, .should_stop = std::move(stop), .threads = 2});
    return read_file(folder / out / "weights.safetensors");
  };
  const std::string whole = train("whole", {});
  int polls = 0;
  EXPECT_THROW(train("stopped", [&] { return ++polls == 11; }), Interrupted);
  EXPECT_TRUE(train("stopped", {}) == whole);
}

TEST(Contrastive, ABatchOfOneIsRefused) {
  auto settings = small_contrastive();
  settings.set("training.batch", std::int64_t{1});
  EXPECT_THROW(find_objective("contrastive").build(settings, RandomStream(1)), InputError);
}

TEST(Colour, WhatBecomesOfAnImageDoesNotDependOnItsBatch) {
  const auto images = random_numbers({9, 3, 16, 16}, 5);
  std::vector<RandomStream> streams;
  for (std::uint64_t i = 0; i < 9; ++i) streams.emplace_back(i);
  const auto whole = change_colours(images, streams);
  for (std::int64_t i = 0; i < 9; ++i) {
    const auto alone = change_colours(images.slice(0, i, i + 1), {streams[static_cast<std::size_t>(i)]});
    EXPECT_TRUE(at::allclose(whole.slice(0, i, i + 1), alone, 1e-5, 1e-6)) << i;
  }
  EXPECT_LE(whole.max().item<float>(), 1.0f + 1e-5f);
  EXPECT_GE(whole.min().item<float>(), -1e-5f);
}

TEST(Colour, NeutralNumbersChangeNothing) {
  const auto images = random_numbers({3, 3, 12, 12}, 5), ones = at::ones({3}), zeros = at::zeros({3});
  for (const auto& same : {brighten(images, ones), change_contrast(images, ones), saturate(images, ones),
                           turn_hue(images, zeros), turn_hue(images, ones)})
    EXPECT_TRUE(at::allclose(same, images, 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(blur(images, at::full({3}, 0.05)), images, 1e-5, 1e-5));
}

TEST(Colour, HandMadeNumbers) {
  auto red = at::zeros({1, 3, 12, 12});
  red.select(1, 0).fill_(0.8);
  const auto pixel = [](const at::Tensor& images) {
    return std::vector<float>{images[0][0][6][6].item<float>(), images[0][1][6][6].item<float>(),
                              images[0][2][6][6].item<float>()};
  };
  using testing::FloatNear;
  EXPECT_THAT(pixel(turn_hue(red, at::full({1}, 1.0 / 3))),
              testing::ElementsAre(FloatNear(0, 1e-5), FloatNear(0.8, 1e-5), FloatNear(0, 1e-5)));  // green
  EXPECT_THAT(pixel(turn_hue(red, at::full({1}, -1.0 / 3))),
              testing::ElementsAre(FloatNear(0, 1e-5), FloatNear(0, 1e-5), FloatNear(0.8, 1e-5)));  // blue
  EXPECT_THAT(pixel(saturate(red, at::zeros({1}))), testing::Each(FloatNear(0.8f * 0.299f, 1e-5)));
  EXPECT_THAT(pixel(brighten(red, at::full({1}, 0.5))), testing::ElementsAre(FloatNear(0.4, 1e-6), 0, 0));
  EXPECT_THAT(pixel(change_contrast(red, at::zeros({1}))), testing::Each(FloatNear(0.8f * 0.299f, 1e-5)));
}

TEST(Colour, ABlurKeepsTheMeanAndSpreadsAPointAsAGaussian) {
  auto point = at::zeros({1, 3, 40, 40});
  point[0][1][20][20] = 1;
  const auto spread = blur(point, at::full({1}, 1.0));
  EXPECT_NEAR(spread.sum().item<double>(), 1, 1e-5);
  EXPECT_NEAR(spread[0][1][20][21].item<double>() / spread[0][1][20][20].item<double>(), std::exp(-0.5), 1e-5);
  EXPECT_EQ(spread[0][0].abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace palimpsest
