#include "models/pretraining_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kFewestTrainingImages = 2;
constexpr std::int64_t kDeadLeavesToMeasureOn = 64;

constexpr std::int64_t kMostHeldBytes = std::int64_t{1} << 30;
constexpr double kUsualShape = 4.0 / 3.0;   // of photographs

HoldOptions hold_options(const Settings& settings, int side, const std::function<void(const std::string&)>& warn) {
  const auto wanted = settings.integer("training.short_side");
  if (wanted > 0 && wanted < side)
    throw InputError(fmt::format("training.short_side = {} is less than the {} pixels the model sees. Write {} or more, or 0.", wanted, side, side));
  return {.short_side = static_cast<int>(wanted > 0 ? wanted : side + side / 2),
          .smallest_side = side,
          .skip = settings.string("images.unreadable") == "skip" || settings.string("images.source") == "shards",
          .warn = warn};
}

// [validation] in the words of [images].
Settings validation_source(const Settings& settings) {
  Settings own = settings;
  const std::string& source = settings.string("validation.source");
  const std::int64_t count = settings.integer("validation.count");
  own.set("images.source", source);
  own.set("images.path", settings.string("validation.path"));
  own.set("images.masks", std::string());
  own.set("images.seed", settings.integer("validation.seed"));
  own.set("images.total", count == 0 && source == "dead-leaves" ? kDeadLeavesToMeasureOn : count);
  return own;
}

void check_validation(const Settings& settings) {
  const std::string& source = settings.string("validation.source");
  if ((source == "folder" || source == "shards") && settings.string("validation.path").empty())
    throw InputError(fmt::format("validation.source = \"{}\" needs validation.path, the folder. Name it, or write validation.source = \"held-out\".", source));
  if (source == "dead-leaves" && settings.string("images.source") == "dead-leaves" &&
      settings.integer("validation.seed") == settings.integer("images.seed"))
    throw InputError("validation.seed equals images.seed: validation would see the very images of training. Write another one.");
}

std::int64_t held_out_count(const Settings& settings, std::int64_t images) {
  const std::int64_t asked = settings.integer("validation.count");
  const std::int64_t count = asked > 0 ? asked : std::max<std::int64_t>(1, images / 10);
  if (images - count < kFewestTrainingImages)
    throw InputError(fmt::format("{} image{} {} too few: {} are held out for validation, and at least {} must be left to train on. Give more images, "
                                 "or validation images of their own (validation.source).",
                                 images, images == 1 ? "" : "s", images == 1 ? "is" : "are", count, kFewestTrainingImages));
  return count;
}

HeldImages squares(HeldImages held, int side) {
  for (Image& image : held.images) image = square(image, side);
  return held;
}

// A tenth, or as many as are asked for, taken out of the training images.
PretrainingImages split_held(const ImageSource& source, const Settings& settings, const HoldOptions& options) {
  HeldImages all = hold_images(source, options);
  const std::int64_t count = held_out_count(settings, all.count());
  auto [training, validation] = hold_out(std::move(all), count);
  return {std::make_unique<HeldCrops>(std::move(training)), squares(std::move(validation), options.smallest_side)};
}

PretrainingImages split_streamed(const std::shared_ptr<const ImageSource>& source, const Settings& settings, const HoldOptions& options) {
  const std::int64_t n = source->count(), count = held_out_count(settings, n);
  std::vector<std::int64_t> training, validation;
  for (std::int64_t i = 0; i < n; ++i) (held_out_at(i, count, n) ? validation : training).push_back(i);
  return {streamed_crops(source, std::move(training), options.warn), squares(hold_images(*source, validation, options), options.smallest_side)};
}

}  // namespace

bool held_in_memory(const Settings& settings, int side, std::int64_t images) {
  const std::string& hold = settings.string("training.hold");
  if (hold != "auto") return hold == "memory";
  const auto short_side = static_cast<double>(hold_options(settings, side, {}).short_side);
  return static_cast<double>(images) * short_side * short_side * kUsualShape * 3 < static_cast<double>(kMostHeldBytes);
}

std::vector<ImagePlace> places_of_pretraining_images(const Settings& settings) {
  check_validation(settings);
  std::vector<ImagePlace> places;
  const auto add = [&](const Settings& one) {
    if (auto place = image_place(one)) places.push_back(std::move(*place));
  };
  add(settings);
  if (settings.string("validation.source") != "held-out") add(validation_source(settings));
  return places;
}

PretrainingImages open_pretraining_images(const Settings& settings, int side, const std::function<void(const std::string&)>& warn) {
  check_validation(settings);
  const HoldOptions options = hold_options(settings, side, warn);
  const std::shared_ptr<const ImageSource> source = open_images(settings, warn);
  const bool held = held_in_memory(settings, side, source->count());
  if (settings.string("validation.source") == "held-out") return held ? split_held(*source, settings, options) : split_streamed(source, settings, options);
  PretrainingImages images;
  images.training = held ? std::make_unique<HeldCrops>(hold_images(*source, options)) : streamed_crops(source, every_image(*source), warn);
  if (images.training->count() < kFewestTrainingImages)
    throw InputError(fmt::format("{} image to train on is too few; at least {} are needed.", images.training->count(), kFewestTrainingImages));
  images.validation = squares(hold_images(*open_images(validation_source(settings), warn), options), side);
  if (images.validation.count() == 0)
    throw InputError("no image is left to validate on. Mend the folder validation.path, or write validation.source = \"held-out\".");
  return images;
}

}  // namespace palimpsest
