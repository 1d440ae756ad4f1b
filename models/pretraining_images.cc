#include "models/pretraining_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kFewestTrainingImages = 2;
constexpr std::int64_t kDeadLeavesToMeasureOn = 64;

HoldOptions hold_options(const Settings& settings, int side, const std::function<void(const std::string&)>& warn) {
  const auto wanted = settings.integer("training.short_side");
  if (wanted > 0 && wanted < side)
    throw InputError(fmt::format("training.short_side = {} is less than the {} pixels the model sees. Write {} or more, or 0.", wanted, side, side));
  return {.short_side = static_cast<int>(wanted > 0 ? wanted : side + side / 2),
          .smallest_side = side,
          .skip = settings.string("images.unreadable") == "skip",
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
  if (source == "folder" && settings.string("validation.path").empty())
    throw InputError("validation.source = \"folder\" needs validation.path, the folder. Name it, or write validation.source = \"held-out\".");
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

}  // namespace

PretrainingImages open_pretraining_images(const Settings& settings, int side, const std::function<void(const std::string&)>& warn) {
  check_validation(settings);
  const HoldOptions options = hold_options(settings, side, warn);
  HeldImages all = hold_images(*open_images(settings, warn), options);
  if (settings.string("validation.source") == "held-out") {
    const std::int64_t count = held_out_count(settings, all.count());
    auto [training, validation] = hold_out(std::move(all), count);
    return {std::move(training), squares(std::move(validation), side)};
  }
  if (all.count() < kFewestTrainingImages)
    throw InputError(fmt::format("{} image to train on is too few; at least {} are needed.", all.count(), kFewestTrainingImages));
  HeldImages validation = hold_images(*open_images(validation_source(settings), warn), options);
  if (validation.count() == 0) throw InputError("no image is left to validate on. Mend the folder validation.path, or write validation.source = \"held-out\".");
  return {std::move(all), squares(std::move(validation), side)};
}

}  // namespace palimpsest
