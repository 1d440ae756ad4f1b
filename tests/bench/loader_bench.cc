// Crops a second of processor time, which others on the machine do not disturb.   loader_bench folder|shards PATH memory|stream SIDE SECONDS

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "models/batch_loader.h"
#include "runtime/error.h"
#include "runtime/image_source.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kBatch = 32;

std::unique_ptr<CropSource> crops_of(const std::string& source, const std::string& path, const std::string& hold,
                                     int side) {
  const auto warn = [](const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); };
  Settings settings = default_settings(image_keys());
  settings.set("images.source", source);
  settings.set("images.path", path);
  std::shared_ptr<const ImageSource> images = open_images(settings, warn);
  if (hold == "stream") return streamed_crops(images, every_image(*images), warn);
  return std::make_unique<HeldCrops>(
      hold_images(*images, {.short_side = side + side / 2, .smallest_side = side, .skip = false, .warn = warn}));
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double images_per_second(const CropSource& crops, int side, double seconds) {
  BatchLoader loader(crops, {.seed = 1, .batch = kBatch, .side = side, .crop = {}, .threads = 1});
  loader.batch(0);
  const double begin = processor_seconds();
  double taken = 0;
  std::int64_t step = 1;
  for (; taken < seconds; ++step) {
    loader.batch(step);
    taken = processor_seconds() - begin;
  }
  return static_cast<double>((step - 1) * kBatch) / taken;
}

}  // namespace
}  // namespace palimpsest

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "loader_bench folder|shards PATH memory|stream SIDE SECONDS\n");
    return 2;
  }
  try {
    const int side = std::atoi(argv[4]);
    std::printf("%.1f\n", palimpsest::images_per_second(*palimpsest::crops_of(argv[1], argv[2], argv[3], side), side,
                                                        std::atof(argv[5])));
  } catch (const palimpsest::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
