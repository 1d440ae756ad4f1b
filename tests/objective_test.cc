#include "models/objective.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "models/patch_mask.h"
#include "models/pretrain.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

// 16 x 16 pixels in patches of 4 (16 of them), width 16, depth 1.
Settings small_model() {
  Settings settings = default_settings(pretrain_keys());
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, std::int64_t>>{{"model.width", 16}, {"model.depth", 1}, {"model.heads", 2},
           {"model.patch", 4}, {"model.side", 16}, {"model.decoder_width", 16}, {"model.decoder_depth", 1}, {"model.decoder_heads", 2}})
    settings.set(key, value);
  return settings;
}

std::unique_ptr<Objective> built(const Settings& settings) { return find_objective(settings.string("objective.name")).build(settings, RandomStream(3)); }

at::Tensor some_images(std::int64_t count) {
  auto images = at::empty({count, 3, 16, 16}, at::kFloat);
  RandomStream(9).fill_uniform(images.data_ptr<float>(), images.numel());
  return images;
}

Batch batch_of(const at::Tensor& images, bool training = false) {
  Batch batch{.images = images, .second = {}, .streams = {}, .global_size = images.size(0), .training = training};
  for (std::int64_t i = 0; i < images.size(0); ++i) batch.streams.push_back(RandomStream(100 + static_cast<std::uint64_t>(i)));
  return batch;
}

std::vector<std::int64_t> row(const at::Tensor& numbers, std::int64_t image) {
  const auto* begin = numbers[image].data_ptr<std::int64_t>();
  return {begin, begin + numbers.size(1)};
}

// The masks that the objective draws for a batch.
PatchMask masks(const Batch& batch, std::int64_t patches = 16, double share = 0.75) {
  std::vector<RandomStream> streams;
  for (const auto& stream : batch.streams) streams.push_back(stream.child(purpose("mask")));
  return draw_patch_mask(streams, patches, share);
}

TEST(PatchMask, KeptAndMaskedAreAllPatchesOnceAndPlaceFindsThem) {
  const auto mask = draw_patch_mask({RandomStream(1), RandomStream(2)}, 16, 0.75);
  ASSERT_EQ(mask.kept.sizes(), (std::vector<std::int64_t>{2, 4}));
  ASSERT_EQ(mask.masked.sizes(), (std::vector<std::int64_t>{2, 12}));
  EXPECT_NE(row(mask.kept, 0), row(mask.kept, 1));
  for (int image = 0; image < 2; ++image) {
    auto order = row(mask.kept, image);
    const auto masked = row(mask.masked, image), place = row(mask.place, image);
    order.insert(order.end(), masked.begin(), masked.end());
    for (std::int64_t patch = 0; patch < 16; ++patch) EXPECT_EQ(order[place[patch]], patch);
  }
}

TEST(PatchMask, AMaskOfNothingHidesOnePatchAndOneOfAllLeavesOne) {
  EXPECT_EQ(draw_patch_mask({RandomStream(1)}, 16, 0.0).masked.size(1), 1);
  EXPECT_EQ(draw_patch_mask({RandomStream(1)}, 16, 1.0).kept.size(1), 1);
}

// The same number from the whole network and the definition, patch by patch: all tokens embedded, those of masked patches left out by
// hand, the decoder's input filled in by hand, the error of each masked pixel added up.
TEST(MaskedAutoencoder, LossIsTheMeanSquaredErrorOfMaskedPixelsAlone) {
  const c10::NoGradGuard no_gradient;
  const auto objective = built(small_model());
  const auto batch = batch_of(some_images(3));
  const auto mask = masks(batch);
  auto& weights = objective->weights();
  const VitEncoder encoder(weights.config, weights.encoder);
  const Decoder decoder(*weights.decoder_config, weights.decoder);
  double sum = 0;
  for (std::int64_t image = 0; image < 3; ++image) {
    const auto one = batch.images.slice(0, image, image + 1).unsqueeze(0);
    const auto embedded = encoder.embed(one);
    std::vector<at::Tensor> seen = {embedded[0][0][0]};
    for (const auto patch : row(mask.kept, image)) seen.push_back(embedded[0][0][patch + 1]);
    const auto tokens = decoder.embed(encoder.block(0, at::stack(seen).view({1, 1, 5, 16})));
    auto all = decoder.mask_token().value.view({1, 1, 1, 16}).repeat({1, 1, 16, 1});
    std::int64_t next = 1;
    for (const auto patch : row(mask.kept, image)) all[0][0][patch].copy_(tokens[0][0][next++]);
    const auto guess = unpatchify(decoder.pixels(decoder.decode(all)).sigmoid(), 4)[0][0];
    for (const auto patch : row(mask.masked, image))
      for (int channel = 0; channel < 3; ++channel)
        for (int y = 0; y < 4; ++y)
          for (int x = 0; x < 4; ++x) {
            const auto Y = patch / 4 * 4 + y, X = patch % 4 * 4 + x;
            const double error = guess[channel][Y][X].item<float>() - one[0][0][channel][Y][X].item<float>();
            sum += error * error;
          }
  }
  EXPECT_NEAR(objective->loss(batch).item<double>(), sum / (3 * 12 * 48), 1e-6);
}

TEST(MaskedAutoencoder, AVisiblePixelsErrorAndAMaskedPixelsContentChangeNothingElse) {
  const c10::NoGradGuard no_gradient;
  const auto objective = built(small_model());
  const auto batch = batch_of(some_images(1));
  const auto masked = row(masks(batch).masked, 0)[0];
  auto other = batch;
  other.images = batch.images.clone();
  other.images.slice(2, masked / 4 * 4, masked / 4 * 4 + 4).slice(3, masked % 4 * 4, masked % 4 * 4 + 4).fill_(0.5);
  const auto before = objective->pictures(batch)[2], after = objective->pictures(other)[2];
  EXPECT_TRUE(at::equal(before, after)) << "the reconstruction has seen what was hidden";
}

TEST(MaskedAutoencoder, TheClassTokensLastPlaceGetsNoGradient) {
  const auto objective = built(small_model());
  for (auto& [name, parameter] : objective->weights().encoder) parameter.value.set_requires_grad(true);
  objective->loss(batch_of(some_images(2), true)).backward();
  auto& encoder = objective->weights().encoder;
  EXPECT_FALSE(encoder.at("post_layernorm.weight").value.grad().defined());
  EXPECT_GT(encoder.at("embeddings.patch_embedding.weight").value.grad().abs().sum().item<float>(), 0);
}

TEST(MaskedAutoencoder, ANormalisedTargetHasUnitVarianceSoTheMeanColourScoresOne) {
  const c10::NoGradGuard no_gradient;
  auto settings = small_model();
  settings.set("objective.normalise_target", true);
  const auto grey = some_images(2).mean(1, true).expand({2, 3, 16, 16}).contiguous();
  const auto baselines = built(settings)->baselines(batch_of(grey));
  EXPECT_NEAR(baselines.at(kMeanColour), 47.0 / 48.0, 1e-3);   // the SD is with n - 1
}

TEST(MaskedAutoencoder, LossOfEachImageDoesNotDependOnItsBatchEvenWithDropout) {
  auto settings = small_model();
  settings.set("training.dropout", 0.3);
  for (const char* name : {"masked-autoencoder", "autoencoder"}) {
    settings.set("objective.name", std::string(name));
    const auto objective = built(settings);
    const auto whole = batch_of(some_images(5), true);
    double sum = 0;
    for (const auto& [first, end] : {std::pair{0, 2}, std::pair{2, 5}}) {
      Batch part{.images = whole.images.slice(0, first, end), .second = {}, .streams = {whole.streams.begin() + first, whole.streams.begin() + end}, .global_size = 5, .training = true};
      sum += objective->loss(part).item<double>();
    }
    EXPECT_NEAR(objective->loss(whole).item<double>(), sum, 1e-6) << name;
    EXPECT_NE(objective->loss(whole).item<double>(), objective->loss(batch_of(some_images(5))).item<double>()) << "dropout did nothing";
  }
}

TEST(Baselines, OfAHandMadeImage) {
  const c10::NoGradGuard no_gradient;
  // Left half black, right half white: 4 x 4 patches of one colour each.
  auto image = at::zeros({1, 3, 16, 16}, at::kFloat);
  image.slice(3, 8).fill_(1);
  const auto batch = batch_of(image);
  const auto mask = masks(batch);
  const auto kept = row(mask.kept, 0);
  double error = 0;
  for (const auto patch : row(mask.masked, 0)) {
    const auto white = [](std::int64_t p) { return p % 4 >= 2 ? 1.0 : 0.0; };
    for (std::int64_t ring = 1; ring < 4; ++ring) {
      double sum = 0, count = 0;
      for (const auto visible : kept)
        if (std::max(std::abs(visible / 4 - patch / 4), std::abs(visible % 4 - patch % 4)) == ring) sum += white(visible), ++count;
      if (count == 0) continue;
      error += std::pow(sum / count - white(patch), 2);
      break;
    }
  }
  const auto baselines = built(small_model())->baselines(batch);
  EXPECT_NEAR(baselines.at(kMeanColour), 0.25, 1e-6);
  EXPECT_NEAR(baselines.at(kNeighbours), error / 12, 1e-6);
}

TEST(Autoencoder, LossIsSquaredPlusATenthOfAbsoluteError) {
  const c10::NoGradGuard no_gradient;
  auto settings = small_model();
  settings.set("objective.name", std::string("autoencoder"));
  const auto objective = built(settings);
  const auto batch = batch_of(some_images(2));
  const auto difference = objective->pictures(batch)[1] - batch.images;
  EXPECT_NEAR(objective->loss(batch).item<double>(), (difference.square().mean() + 0.1 * difference.abs().mean()).item<double>(), 1e-6);
}

TEST(Objectives, AnUnknownOneIsRefusedByNameWithTheKnownOnes) {
  try {
    find_objective("colouring");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "there is no objective \"colouring\". Write one of \"masked-autoencoder\", \"autoencoder\", \"contrastive\".");
  }
}

TEST(MaskedAutoencoder, AShareThatHidesNothingOrAllIsRefusedWithThoseThatDoNot) {
  for (const double share : {0.0, 0.03, 0.98, 1.0}) {
    auto settings = small_model();
    settings.set("objective.mask", share);
    try {
      built(settings);
      ADD_FAILURE() << share << " was taken";
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("of the 16 patches of an image, but some must be hidden and some seen. Write a share from 0.062 to 0.94"));
    }
  }
}

TEST(ModelSettings, NumbersThatDoNotGoTogetherAreRefused) {
  auto settings = small_model();
  settings.set("model.heads", std::int64_t{3});
  EXPECT_THROW(built(settings), InputError);
  settings = small_model();
  settings.set("model.side", std::int64_t{18});
  EXPECT_THROW(built(settings), InputError);
}

}  // namespace
}  // namespace palimpsest
