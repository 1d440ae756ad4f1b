// How good weights are, by read-outs whose right answers are known.

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/evaluate_weights.h"
#include "models/linear_probe.h"
#include "models/readout_accuracy.h"
#include "runtime/error.h"
#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

at::Tensor normal(std::uint64_t key, std::int64_t rows, std::int64_t columns) {
  std::vector<float> numbers(static_cast<std::size_t>(rows * columns));
  RandomStream(key).fill_normal(numbers.data(), std::ssize(numbers));
  return at::tensor(numbers).view({rows, columns});
}

double right(const at::Tensor& said, const at::Tensor& truth) {
  return said.eq(truth).to(at::kDouble).mean().item<double>();
}

TEST(NearestNeighbours, OneNeighbourIsTheTrainingImageItself) {
  const auto x = normal(1, 60, 5);
  const auto labels = at::arange(60) % 4;
  EXPECT_EQ(right(nearest_neighbours(x, labels, 3 * x, 1, 4), labels), 1);  // length does not count
}

TEST(NearestNeighbours, CloserOnesOutvoteMoreOnes) {
  const auto train = at::tensor({1.0f, 0.0f, 0.6f, 0.8f, 0.6f, -0.8f}).view({3, 2});
  const auto labels = at::tensor({0, 1, 1}, at::kLong);
  EXPECT_EQ(nearest_neighbours(train, labels, at::tensor({1.0f, 0.0f}).view({1, 2}), 3, 2).item<std::int64_t>(), 0);
}

TEST(LinearProbe, ConvergesToWhereNoGradientIsLeft) {
  const auto x = normal(2, 200, 10);
  const auto labels = (x.select(1, 0) + 0.5 * normal(3, 200, 1).flatten() > 0).to(at::kLong);
  const auto probe = fit_linear_probe(x, labels, 2, 1e-3);
  EXPECT_TRUE(probe.converged);
  // Of two classes the weights are opposite, as the penalty wants them.
  EXPECT_TRUE(at::allclose(probe.weight[0], -probe.weight[1], 0, 1e-4));
  EXPECT_GT(right(probe.classes_of(x), labels), 0.75);
}

// Of the mean cross-entropy + penalty / 2 ||W||^2, from its definition.
double largest_gradient(const LinearProbe& probe, const at::Tensor& features, const at::Tensor& labels,
                        std::int64_t classes, double penalty) {
  const auto x = (features.to(at::kDouble) - probe.mean) / probe.sd;
  const auto p = at::softmax(at::mm(x, probe.weight.t()) + probe.bias, -1);
  const auto error = (p - at::one_hot(labels, classes).to(at::kDouble)) / static_cast<double>(x.size(0));
  return std::max((at::mm(error.t(), x) + penalty * probe.weight).abs().max().item<double>(),
                  error.sum(0).abs().max().item<double>());
}

TEST(LinearProbe, CorrelatedFeaturesTakeTensOfSteps) {
  const auto few = normal(6, 600, 4), x = at::mm(few, normal(7, 4, 80)) + 0.01 * normal(8, 600, 80);
  const auto labels = few.slice(1, 0, 3).argmax(1);
  const auto probe = fit_linear_probe(x, labels, 3, 1e-3);
  EXPECT_TRUE(probe.converged);
  EXPECT_LT(probe.iterations, 100);
  EXPECT_LE(largest_gradient(probe, x, labels, 3, 1e-3), 1.01e-6);
}

TEST(LinearProbe, ConvergesWhereThereAreMoreFeaturesThanImages) {
  const auto x = normal(9, 40, 300), labels = at::arange(40) % 4;
  const auto probe = fit_linear_probe(x, labels, 4, 1e-2);
  EXPECT_TRUE(probe.converged);
  EXPECT_LE(largest_gradient(probe, x, labels, 4, 1e-2), 1.01e-6);
  EXPECT_EQ(right(probe.classes_of(x), labels), 1);
}

TEST(LinearProbe, FindsNothingInNoise) {
  const auto x = normal(4, 4000, 3);
  const auto labels = at::arange(4000) % 4;
  const auto probe = fit_linear_probe(x.slice(0, 0, 2000), labels.slice(0, 0, 2000), 4, 1e-3);
  EXPECT_NEAR(right(probe.classes_of(x.slice(0, 2000)), labels.slice(0, 2000)), 0.25, 0.04);
}

TEST(LinearProbe, DoesNotDependOnTheScaleOfAFeature) {
  const auto x = normal(5, 300, 4), scaled = x * at::tensor({1e-3f, 1.0f, 1e3f, 7.0f}) + 5;
  const auto labels = (x.select(1, 2) > 0.2).to(at::kLong);
  const auto a = fit_linear_probe(x, labels, 2, 1e-3), b = fit_linear_probe(scaled, labels, 2, 1e-3);
  EXPECT_NEAR(a.loss, b.loss, 1e-4);
}

TEST(Wilson, IsTheClosedForm) {
  const auto share = wilson(8, 10);  // 0.8 of 10: [0.4902, 0.9433]
  EXPECT_NEAR(share.low, 0.4902, 1e-4);
  EXPECT_NEAR(share.high, 0.9433, 1e-4);
  EXPECT_EQ(wilson(0, 10).low, 0);
  EXPECT_DOUBLE_EQ(wilson(10, 10).high, 1);
}

LabelledImages labelled(std::int64_t of_each) {
  LabelledImages images;
  for (std::int64_t i = 0; i < 3 * of_each; ++i) images.labels.push_back(i % 3);
  images.classes = {"a", "b", "c"};
  return images;
}

TEST(Folds, HoldOutEachImageOnceAndEachClassAlike) {
  const auto images = labelled(10);
  const auto folds = draw_folds(images, 5, 3);
  for (std::int64_t i = 0; i < images.count(); ++i)
    EXPECT_EQ(std::ranges::count_if(folds, [&](const auto& fold) { return fold[i]; }), 1);
  for (const auto& fold : folds)
    for (std::int64_t label = 0; label < 3; ++label) {
      int held_out = 0;
      for (std::int64_t i = 0; i < images.count(); ++i) held_out += fold[i] && images.labels[i] == label;
      EXPECT_EQ(held_out, 2);
    }
  EXPECT_NE(draw_folds(images, 5, 4), folds);
  EXPECT_EQ(draw_folds(images, 5, 3), folds);
}

TEST(Folds, AreRefusedWhereAClassHasTooFewImages) {
  try {
    draw_folds(labelled(4), 5, 0);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("--folds 4"));
  }
}

TEST(DeadLeavesFamilies, AreTheSamePicturesInOtherCrops) {
  const auto a = dead_leaves_families(3, 2, 3), b = dead_leaves_families(3, 2, 3);
  EXPECT_EQ(a.count(), 6);
  EXPECT_EQ(a.labels, (std::vector<std::int64_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(a.square(1, 16), b.square(1, 16));
  EXPECT_NE(a.square(0, 16), a.square(1, 16));
}

TEST(Evaluation, NamesEveryLayerAndIsTheSameTwice) {
  AdaptedWeights weights;
  weights.slow.config = {.width = 16, .depth = 2, .heads = 2, .mlp_width = 32, .patch = 8, .side = 16};
  weights.slow.encoder = initial_vit(weights.slow.config, RandomStream(1));
  const auto images = dead_leaves_families(1, 3, 6);
  EvaluateOptions options;
  options.folds = 3;
  const auto first = evaluate_weights(weights, images, options), second = evaluate_weights(weights, images, options);
  std::vector<std::string> layers;
  for (std::size_t i = 0; i < first.accuracies.size(); ++i) {
    layers.push_back(first.accuracies[i].layer + " " + first.accuracies[i].readout);
    EXPECT_EQ(first.accuracies[i].probe.value, second.accuracies[i].probe.value);
  }
  EXPECT_THAT(layers, testing::ElementsAre("pixels all", "embedding cls", "embedding mean", "block.0 cls",
                                           "block.0 mean", "block.1 cls", "block.1 mean", "norm cls", "norm mean"));
  EXPECT_NEAR(first.chance.value, 1.0 / 3, 1e-12);
  EXPECT_EQ(first.held_out, 18);
  EXPECT_FALSE(first.reconstruction);
}

// Even squares of some grey, and a decoder that says 0.5 everywhere.
TEST(Evaluation, ReconstructionErrorIsThatOfTheDecodersPixelsAndOfTheMeanColour) {
  for (const bool masked : {false, true}) {
    AdaptedWeights weights;
    weights.slow.config = {.width = 16, .depth = 1, .heads = 2, .mlp_width = 32, .patch = 8, .side = 32};
    weights.slow.encoder = initial_vit(weights.slow.config, RandomStream(1));
    weights.slow.decoder_config =
        DecoderConfig{.input_width = 16, .width = 16, .depth = 1, .heads = 2, .patch = 8, .side = 32};
    weights.slow.decoder = initial_decoder(*weights.slow.decoder_config, RandomStream(2), masked);
    for (const char* part : {"pixels.weight", "pixels.bias"}) weights.slow.decoder.at(part).value.zero_();
    auto images = labelled(4);
    images.square = [](std::int64_t i, int side) {
      return Image{side, side, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * side * side), i % 2 ? 204 : 51)};
    };
    EvaluateOptions options;
    options.folds = 2;
    const auto evaluation = evaluate_weights(weights, images, options);
    ASSERT_TRUE(evaluation.reconstruction);
    EXPECT_EQ(evaluation.reconstruction->kind, masked ? "hidden patches" : "whole image");
    EXPECT_NEAR(evaluation.reconstruction->decoder.value, 0.3 * 0.3, 1e-6);
    EXPECT_NEAR(evaluation.reconstruction->mean_colour.value, 0, 1e-9);
  }
}

TEST(Evaluation, TellsHowFarItIsWithImagesAndThenWithReadOuts) {
  AdaptedWeights weights;
  weights.slow.config = {.width = 16, .depth = 1, .heads = 2, .mlp_width = 32, .patch = 8, .side = 16};
  weights.slow.encoder = initial_vit(weights.slow.config, RandomStream(1));
  EvaluateOptions options;
  options.folds = 2;
  std::vector<std::string> told;
  options.progress = [&](const char* what, const char*, std::int64_t done, std::int64_t of) {
    if (done == of) told.push_back(std::string(what) + " " + std::to_string(of));
  };
  evaluate_weights(weights, dead_leaves_families(1, 2, 4), options);
  EXPECT_THAT(told,
              testing::ElementsAre("evaluate 8", "probe 7"));  // pixels, embedding, block and norm, two read-outs each
}

}  // namespace
}  // namespace palimpsest
