#include "models/pretrain.h"
#include "models/run_facts.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <random>
#include <set>

#include "models/batch_loader.h"
#include "models/slow_weights.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "tests/small_pretraining.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;

PretrainResult trained(const Settings& settings, const std::filesystem::path& out, std::function<bool()> should_stop = {}) {
  const auto alone = single_process();
  return pretrain(settings, *alone, {.out = out, .should_stop = std::move(should_stop), .threads = 2});
}

std::string refusal(const Settings& settings, const std::filesystem::path& out) {
  try {
    trained(settings, out);
  } catch (const InputError& error) {
    return error.what();
  }
  return "not refused";
}

HeldImages numbered_images(int count) {
  HeldImages held;
  for (int i = 0; i < count; ++i) {
    held.images.push_back({20, 24, std::vector<std::uint8_t>(20 * 24 * 3, static_cast<std::uint8_t>(i))});
    held.names.push_back(std::to_string(i));
  }
  return held;
}

TEST(Pretrain, ARunThatWasStoppedAndResumedEqualsAnUndisturbedOneBitForBit) {
  const TemporaryFolder folder("resume");
  auto settings = small_pretraining();
  settings.set("training.dropout", 0.1);
  trained(settings, folder / "whole");
  const int first_stop = std::uniform_int_distribution(1, 20)(*std::make_unique<std::random_device>());
  std::printf("stopped in step %d, and again four steps later\n", first_stop);
  int polls = 0;
  const auto stop_at = [&](int poll) { return [&polls, poll] { return ++polls == poll; }; };
  EXPECT_THROW(trained(settings, folder / "stopped", stop_at(first_stop)), Interrupted);
  EXPECT_FALSE(std::filesystem::exists(folder / "stopped" / "weights.safetensors")) << "half-trained weights could be taken for whole ones";
  EXPECT_THROW(trained(settings, folder / "stopped", stop_at(first_stop + 4)), Interrupted);
  trained(settings, folder / "stopped");
  for (const char* file : {"weights.safetensors", "losses.csv"}) EXPECT_TRUE(read_file(folder / "whole" / file) == read_file(folder / "stopped" / file)) << file;
}

TEST(Pretrain, ALineOfLossesForAStepThatIsRepeatedIsNotKeptTwice) {
  const TemporaryFolder folder("losses");
  const auto settings = small_pretraining();
  int polls = 0;
  EXPECT_THROW(trained(settings, folder / "run", [&] { return ++polls == 7; }), Interrupted);
  const auto losses = folder / "run" / "losses.csv";
  write_durably(losses, read_file(losses) + "8,0.5,,0.001\n9,0.");   // as a killed process leaves it
  trained(settings, folder / "run");
  const auto text = read_file(losses);
  EXPECT_EQ(std::ranges::count(text, '\n'), 31);
  EXPECT_THAT(text, testing::Not(HasSubstr("8,0.5,")));
}

TEST(Pretrain, LearnsAndSaysInItsWeightsWhatItIs) {
  const TemporaryFolder folder("learns");
  auto settings = small_pretraining();
  settings.set("objective.name", std::string("autoencoder"));
  settings.set("training.steps", std::int64_t{100});
  settings.set("training.learning_rate", 3e-3);
  const auto result = trained(settings, folder / "run");
  EXPECT_EQ(result.steps, 100);
  EXPECT_LT(result.validation_loss, 0.6 * result.baselines.at("image mean colour"));
  const auto weights = read_slow_weights(folder / "run" / "weights.safetensors");
  EXPECT_EQ(weights.config.width, 16);
  EXPECT_EQ(weights.decoder_config->heads, 2);
  EXPECT_EQ(weights.metadata.at("steps"), "100");
  EXPECT_THAT(weights.metadata.at("definition"), HasSubstr("training.learning_rate = 0.003\n"));
  EXPECT_TRUE(weights.metadata.contains("validation_loss"));
  EXPECT_TRUE(std::filesystem::exists(folder / "run" / "pictures" / "step-100.png"));
}

TEST(Pretrain, LearningRateRisesLinearlyAndFallsAsACosineToNearZero) {
  const TemporaryFolder folder("rate");
  trained(small_pretraining(), folder / "run");
  std::istringstream lines(read_file(folder / "run" / "losses.csv"));
  std::vector<double> rates;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) rates.push_back(std::stod(line.substr(line.rfind(',') + 1)));
  ASSERT_EQ(rates.size(), 30u);
  EXPECT_NEAR(rates[0], 1e-3 / 5, 1e-9);
  EXPECT_NEAR(rates[4], 1e-3, 1e-9);
  EXPECT_NEAR(rates[5], 1e-3, 1e-9);
  EXPECT_NEAR(rates[29], 1e-3 * 0.5 * (1 + std::cos(M_PI * 24 / 25)), 1e-9);
}

TEST(Pretrain, ANumberFormatThatOnlyOtherDevicesHaveIsRefusedByName) {
  const TemporaryFolder folder("precision");
  auto settings = small_pretraining();
  settings.set("training.precision", std::string("tf32"));
  EXPECT_THAT(refusal(settings, folder / "run"), HasSubstr("training.precision = \"tf32\" is a number format of GPUs"));
}

TEST(Pretrain, ARunThatDivergedGoesOnFromBeforeWithALowerRateWhereThatIsAccepted) {
  const TemporaryFolder folder("lower");
  auto settings = small_pretraining();
  int polls = 0;
  EXPECT_THROW(trained(settings, folder / "run", [&] { return ++polls == 9; }), Interrupted);
  settings.set("training.learning_rate", 1e-4);
  EXPECT_THAT(refusal(settings, folder / "run"), HasSubstr("--accept-changes"));
  const auto alone = single_process();
  EXPECT_EQ(pretrain(settings, *alone, {.out = folder / "run", .should_stop = {}, .threads = 1, .accept_changes = true}).steps, 30);
}

TEST(Pretrain, AFolderThatHoldsAnotherRunIsRefusedWithTheDifference) {
  const TemporaryFolder folder("other");
  auto settings = small_pretraining();
  trained(settings, folder / "run");
  settings.set("training.batch", std::int64_t{4});
  EXPECT_THAT(refusal(settings, folder / "run"), HasSubstr("\"training.batch = 8\" there, \"training.batch = 4\" here"));
}

TEST(Pretrain, ARunThatGoesOnOnAnotherKindOfDeviceSaysSo) {
  EXPECT_EQ(change_of_device(with_device({}, at::kCUDA), at::kCPU),
            "was trained on a GPU and goes on on a CPU: its numbers differ in the last places from those it would have had there");
  EXPECT_EQ(change_of_device(with_device({}, at::kCPU), at::kCPU), "");
  EXPECT_EQ(change_of_device({}, at::kCPU), "") << "nothing is known";
}

TEST(Pretrain, CheckpointsMayBeWrittenOftenerInAResumedRun) {
  const TemporaryFolder folder("oftener");
  auto settings = small_pretraining();
  trained(settings, folder / "run");
  settings.set("training.checkpoint_steps", std::int64_t{10});
  EXPECT_EQ(trained(settings, folder / "run").steps, 30);
}

TEST(Pretrain, ALossThatIsNoNumberEndsItAndKeepsTheLastCheckpoint) {
  const TemporaryFolder folder("nan");
  auto settings = small_pretraining();
  settings.set("training.learning_rate", 1e30);
  settings.set("training.checkpoint_steps", std::int64_t{1});
  try {
    trained(settings, folder / "run");
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 1);
    EXPECT_THAT(error.what(), HasSubstr("is no number: training diverged. The first that is not finite is "));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "run" / "weights.safetensors"));
}

// What a run that diverges says; empty: it came to its end.
std::string divergence(const Settings& settings, const std::filesystem::path& out, bool accept_changes) {
  const auto alone = single_process();
  try {
    pretrain(settings, *alone, {.out = out, .should_stop = {}, .threads = 1, .accept_changes = accept_changes});
    return "";
  } catch (const Interrupted&) {
    throw;
  } catch (const InputError&) {
    throw;
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Pretrain, ARunThatDivergedComesToItsEndByTheAdviceItGives) {
  const TemporaryFolder folder("advice");
  auto settings = small_pretraining();
  settings.set("training.checkpoint_steps", std::int64_t{1});
  settings.set("training.learning_rate", 1e4);
  settings.set("training.clip", 0.0);
  std::string said = divergence(settings, folder / "run", false);
  ASSERT_THAT(said, HasSubstr("is no number"));
  int followed = 0, folders = 0;
  std::filesystem::path out = folder / "run";
  for (; !said.empty() && followed < 30; ++followed) {
    const std::string option = "--set training.learning_rate=";
    const auto rate = said.find(option);
    ASSERT_NE(rate, std::string::npos) << said;
    settings.set("training.learning_rate", std::stod(said.substr(rate + option.size())));
    if (said.find("give --out another folder") != std::string::npos) out = folder / std::to_string(++folders);
    said = divergence(settings, out, said.find("--accept-changes") != std::string::npos);
  }
  EXPECT_EQ(said, "") << "after " << followed << " times";
  EXPECT_GT(folders, 0) << "none of these weights could recover";
}

TEST(Pretrain, NoCheckpointIsSealedWhoseWeightsGiveNoNumber) {
  const TemporaryFolder folder("sealed");
  auto settings = small_pretraining();
  settings.set("training.checkpoint_steps", std::int64_t{1});
  settings.set("training.learning_rate", 1e30);
  EXPECT_THAT(divergence(settings, folder / "run", false), HasSubstr("No checkpoint was written yet: start again with --set training.learning_rate=3.33e+29"));
  settings.set("training.learning_rate", 1e-4);
  EXPECT_EQ(divergence(settings, folder / "run", false), "");

  settings.set("training.learning_rate", 1e30);
  settings.set("training.steps", std::int64_t{1});   // no loss comes after the weights of the last step
  EXPECT_THAT(divergence(settings, folder / "last", false), HasSubstr("the validation loss after step 1 is no number"));
  EXPECT_FALSE(std::filesystem::exists(folder / "last" / "weights.safetensors"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "last" / "checkpoints"));
}

TEST(Pretrain, PicturesComeWithTheValidationLossAndNotWithEachCheckpoint) {
  const TemporaryFolder folder("pictures");
  auto settings = small_pretraining();
  settings.set("training.checkpoint_steps", std::int64_t{2});
  trained(settings, folder / "run");
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "run" / "pictures")) found.insert(entry.path().filename());
  EXPECT_EQ(found, (std::set<std::string>{"step-10.png", "step-20.png", "step-30.png"}));
}

TEST(Pretrain, TooFewImagesAndTooSmallOnesAreRefusedInWords) {
  const TemporaryFolder folder("few");
  auto settings = small_pretraining();
  settings.set("images.total", std::int64_t{4});
  EXPECT_THAT(refusal(settings, folder / "run"), HasSubstr("4 images are too few: 4 are held out for validation"));
  settings = small_pretraining();
  settings.set("model.side", std::int64_t{32});
  EXPECT_THAT(refusal(settings, folder / "run"), HasSubstr("has 24 x 24 pixels, but the model sees 32 x 32"));
  settings = small_pretraining();
  settings.set("validation.source", std::string("dead-leaves"));
  settings.set("validation.seed", std::int64_t{0});
  EXPECT_THAT(refusal(settings, folder / "run"), HasSubstr("validation would see the very images of training"));
}

TEST(BatchLoader, RanksTogetherLoadWhatOneLoadsAlone) {
  const HeldCrops images(numbered_images(7));
  const auto options = [](int rank, int world_size, int threads) {
    return BatchLoader::Options{.seed = 5, .batch = 10, .side = 8, .crop = {}, .rank = rank, .world_size = world_size, .threads = threads};
  };
  BatchLoader alone(images, options(0, 1, 4)), first(images, options(0, 3, 1)), second(images, options(1, 3, 2)), third(images, options(2, 3, 3));
  for (const std::int64_t step : {0, 1, 2, 9}) {
    const auto whole = alone.batch(step);
    const Batch parts[] = {first.batch(step), second.batch(step), third.batch(step)};
    EXPECT_TRUE(at::equal(whole.images, at::cat({parts[0].images, parts[1].images, parts[2].images})));
    std::vector<std::uint64_t> keys, split;
    for (const auto& stream : whole.streams) keys.push_back(stream.key());
    for (const auto& part : parts)
      for (const auto& stream : part.streams) split.push_back(stream.key());
    EXPECT_EQ(keys, split);
  }
}

TEST(BatchLoader, EachEpochShowsEachImageOnceInAnotherOrder) {
  const HeldCrops images(numbered_images(10));
  BatchLoader loader(images, {.seed = 1, .batch = 5, .side = 8, .crop = {}, .rank = 0, .world_size = 1});
  std::vector<std::vector<int>> epochs(3);
  for (std::int64_t step = 0; step < 6; ++step) {
    const auto batch = loader.batch(step);
    for (std::int64_t i = 0; i < 5; ++i) epochs[step / 2].push_back(static_cast<int>(std::lround(batch.images[i].mean().item<float>() * 255)));
  }
  for (const auto& epoch : epochs) EXPECT_EQ(std::set<int>(epoch.begin(), epoch.end()).size(), 10u);
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(Augment, CropsLieWithinTheImageAndHaveTheAskedSizes) {
  const CropRange range{.smallest = 0.3, .largest = 0.8, .aspect = 1.5, .flip = true};
  double smallest = 1, largest = 0;
  int flipped = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const auto crop = draw_crop(120, 90, range, RandomStream(1).child(i));
    EXPECT_GE(crop.left, 0);
    EXPECT_GE(crop.top, 0);
    EXPECT_LE(crop.left + crop.width, 120 + 1e-9);
    EXPECT_LE(crop.top + crop.height, 90 + 1e-9);
    EXPECT_LE(crop.width / crop.height, 1.5 + 1e-9);
    EXPECT_GE(crop.width / crop.height, 1 / 1.5 - 1e-9);
    const double side = std::sqrt(crop.width * crop.height) / 90;
    smallest = std::min(smallest, side), largest = std::max(largest, side);
    flipped += crop.flipped;
  }
  EXPECT_NEAR(smallest, 0.3, 0.01);
  EXPECT_NEAR(largest, 0.8, 0.01);
  EXPECT_NEAR(flipped, 1000, 100);
}

TEST(Augment, AFlippedCropIsTheMirrorOfThePlainOne) {
  Image image{4, 2, {}};
  for (int i = 0; i < 24; ++i) image.rgb.push_back(static_cast<std::uint8_t>(10 * i));
  const Crop whole{.left = 0, .top = 0, .width = 4, .height = 2, .flipped = true};
  auto plain = whole;
  plain.flipped = false;
  const auto a = cut(image, plain, 4), b = cut(image, whole, 4);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x)
      for (int c = 0; c < 3; ++c) EXPECT_EQ(a.rgb[3 * (4 * y + x) + c], b.rgb[3 * (4 * y + 3 - x) + c]);
}

TEST(HeldImages, HoldingOutTakesTheAskedNumberSpreadOverTheOrder) {
  const auto [stays, taken] = hold_out(numbered_images(20), 5);
  EXPECT_EQ(taken.names, (std::vector<std::string>{"3", "7", "11", "15", "19"}));
  EXPECT_EQ(stays.count(), 15);
}

}  // namespace
}  // namespace palimpsest
