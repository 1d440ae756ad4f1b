#include "models/batch_loader.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "models/pretraining_images.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/event_file.h"
#include "runtime/image_folder.h"
#include "runtime/image_pack.h"
#include "tests/small_pretraining.h"

namespace palimpsest {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

// Smooth and different for each number.
Image photograph(int number, int width = 60, int height = 48) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int channel = 0; channel < 3; ++channel)
        image.rgb.push_back(static_cast<std::uint8_t>(
            127 + 120 * std::sin(0.05 * (number + 1) * (x + 2 * channel) + 0.03 * (number % 5 + 1) * y)));
  return image;
}

void write_photographs(const fs::path& folder, int count) {
  fs::create_directories(folder);
  for (int i = 0; i < count; ++i) {
    const auto bytes = encode_jpeg(photograph(i), 95);
    write_durably(folder / (std::to_string(1000 + i) + ".jpg"), bytes);
  }
}

std::shared_ptr<const ImageSource> folder_of(const fs::path& path) { return image_folder({.path = path}, {}); }

void cut_in_half(const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }

class Streamed : public testing::Test {
 protected:
  void SetUp() override { write_photographs(folder_ / "images", 10); }

  std::unique_ptr<CropSource> streamed() {
    const auto source = folder_of(folder_ / "images");
    return streamed_crops(source, every_image(*source), [this](const std::string& what) { warnings_.push_back(what); });
  }
  static BatchLoader::Options options(int threads = 1) {
    return {.seed = 3, .batch = 6, .side = 16, .crop = {}, .threads = threads};
  }
  Settings shards_settings() {
    Settings settings = small_pretraining();
    settings.set("images.source", std::string("shards"));
    settings.set("images.path", (folder_ / "shards").string());
    settings.set("images.total", std::int64_t{0});
    settings.set("validation.count", std::int64_t{2});
    settings.set("training.batch", std::int64_t{4});
    return settings;
  }
  void pack() { pack_images({.folder = folder_ / "images", .out = folder_ / "shards"}); }
  std::string losses(const Settings& settings, const std::string& out, std::function<bool()> should_stop = {}) {
    const auto alone = single_process();
    pretrain(settings, *alone, {.out = folder_ / out, .should_stop = std::move(should_stop), .threads = 2});
    return read_file(folder_ / out / "losses.csv");
  }

  TemporaryFolder folder_{"loader"};
  std::vector<std::string> warnings_;
};

TEST_F(Streamed, BatchesDoNotDependOnTheNumberOfThreads) {
  const auto images = streamed();
  BatchLoader one(*images, options(1)), four(*images, options(4));
  for (std::int64_t step = 0; step < 5; ++step)
    EXPECT_TRUE(at::equal(one.batch(step).images, four.batch(step).images)) << step;
}

TEST_F(Streamed, ALoaderThatStartsInMidEpochGivesTheBatchesOfOneThatDidNot) {
  const auto images = streamed();
  BatchLoader whole(*images, options()), later(*images, options());
  at::Tensor fourth;
  for (std::int64_t step = 0; step < 4; ++step) fourth = whole.batch(step).images;
  EXPECT_TRUE(at::equal(later.batch(3).images, fourth));
  EXPECT_TRUE(at::equal(later.batch(1).images, BatchLoader(*images, options()).batch(1).images))
      << "after batches that were made ahead in vain";
}

TEST_F(Streamed, CropsAreThoseOfImagesInMemoryToAFewGreyLevels) {
  const auto images = streamed();
  const HeldCrops held(
      hold_images(*folder_of(folder_ / "images"), {.short_side = 48, .smallest_side = 16, .skip = false, .warn = {}}));
  BatchLoader from_files(*images, options()), from_memory(held, options());
  for (std::int64_t step = 0; step < 4; ++step) {
    const auto difference = (from_files.batch(step).images - from_memory.batch(step).images).abs();
    EXPECT_LT(difference.mean().item<float>(), 2.0 / 255);
    EXPECT_LT(difference.max().item<float>(), 24.0 / 255);
  }
}

TEST_F(Streamed, SecondViewsAreOtherCropsOfTheSameImages) {
  const auto images = streamed();
  auto pairs = options(2);
  pairs.views = 2;
  const auto batch = BatchLoader(*images, pairs).batch(0);
  EXPECT_TRUE(at::equal(batch.images, BatchLoader(*images, options()).batch(0).images));
  EXPECT_FALSE(at::equal(batch.images, batch.second));
  EXPECT_EQ(batch.second.sizes(), batch.images.sizes());
}

TEST_F(Streamed, ADamagedImageIsNamedOnceCountedAndReplacedByTheNext) {
  const auto images = streamed();
  cut_in_half(folder_ / "images" / "1003.jpg");
  BatchLoader loader(*images, options());
  for (std::int64_t step = 0; step < 10; ++step) loader.batch(step);
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("1003.jpg"), HasSubstr("damaged or cut off"),
                                           HasSubstr("skipped; so are 1 of 10 images"))));
  const auto range = CropRange{.smallest = 1, .largest = 1, .aspect = 1, .flip = false};
  EXPECT_EQ(images->crop(3, 16, range, RandomStream(1)), images->crop(4, 16, range, RandomStream(1)));
}

TEST_F(Streamed, WhereNoImageCanBeReadTheLoaderSaysSo) {
  const auto images = streamed();
  for (const auto& entry : fs::directory_iterator(folder_ / "images")) cut_in_half(entry.path());
  BatchLoader loader(*images, options(3));
  EXPECT_THROW(loader.batch(0), InputError);
}

TEST_F(Streamed, ShardsTrainToTheNumbersOfTheirFolder) {
  pack();
  const Settings shards = shards_settings();
  Settings files = shards;
  files.set("images.source", std::string("folder"));
  files.set("images.path", (folder_ / "images").string());
  for (const char* hold : {"memory", "stream"}) {
    Settings a = shards, b = files;
    a.set("training.hold", std::string(hold));
    b.set("training.hold", std::string(hold));
    EXPECT_EQ(losses(a, std::string("shards-") + hold), losses(b, std::string("folder-") + hold));
  }
}

TEST_F(Streamed, AStreamedRunThatWasStoppedEqualsAnUndisturbedOneWhateverItsThreads) {
  pack();
  Settings settings = shards_settings();
  settings.set("training.hold", std::string("stream"));
  const std::string whole = losses(settings, "whole");
  int polls = 0;
  EXPECT_THROW(losses(settings, "stopped", [&] { return ++polls == 9; }), Interrupted);
  settings.set("training.loader_threads", std::int64_t{3});
  EXPECT_EQ(losses(settings, "stopped"), whole);
}

TEST_F(Streamed, ADamagedMemberOfAShardDoesNotKeepARunFromTraining) {
  pack();
  std::string shard = read_file(folder_ / "shards" / "shard-000000.tar");
  shard.replace(shard.find("1005.jpg") + 512, 300, 300, 'x');
  write_durably(folder_ / "shards" / "shard-000000.tar", shard);
  EXPECT_EQ(std::ranges::count(losses(shards_settings(), "run"), '\n'), 31);
}

TEST(Hold, SmallSetsAreKeptInMemoryAndLargeOnesAreStreamed) {
  Settings settings = small_pretraining();  // 16 pixels: 24 x 32 bytes of three colours
  EXPECT_TRUE(held_in_memory(settings, 16, 400'000));
  EXPECT_FALSE(held_in_memory(settings, 16, 500'000));
  settings.set("training.hold", std::string("stream"));
  EXPECT_FALSE(held_in_memory(settings, 16, 2));
}

}  // namespace
}  // namespace palimpsest
