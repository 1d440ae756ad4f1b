#include "models/held_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <numeric>
#include <optional>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/host_cores.h"

namespace palimpsest {
namespace {

// Never enlarged: there is nothing to be learned from pixels that were made up.
Image reduced(const Image& image, int short_side) {
  const int shorter = std::min(image.width, image.height);
  if (shorter <= short_side) return image;
  const double scale = static_cast<double>(short_side) / shorter;
  const auto scaled = [&](int side) { return std::max(short_side, static_cast<int>(std::lround(side * scale))); };
  return resize_bicubic(image, scaled(image.width), scaled(image.height));
}

Image read_one(const ImageSource& source, std::int64_t index, const HoldOptions& options) {
  Image image = source.image(index);
  if (std::min(image.width, image.height) < options.smallest_side)
    throw InputError(fmt::format("{} has {} x {} pixels, but the model sees {} x {}. Take it out, choose a smaller model.side, or set "
                                 "images.unreadable = \"skip\".",
                                 source.name(index), image.width, image.height, options.smallest_side, options.smallest_side));
  return reduced(image, options.short_side);
}

struct Read {
  std::optional<Image> image;
  std::string reason;   // where there is none
};

Read try_one(const ImageSource& source, std::int64_t index, const HoldOptions& options) {
  try {
    return {read_one(source, index, options), {}};
  } catch (const InputError& error) {
    return {{}, error.what()};
  }
}

std::vector<Read> read_all(const ImageSource& source, const std::vector<std::int64_t>& chosen, const HoldOptions& options) {
  std::vector<Read> all(chosen.size());
  std::atomic<std::int64_t> next = 0;
  const auto work = [&] {
    for (std::int64_t i; (i = next++) < std::ssize(all);) all[i] = try_one(source, chosen[i], options);
  };
  std::vector<std::future<void>> helpers;
  for (int others = host_cores().usable() - 1; others > 0; --others) helpers.push_back(std::async(std::launch::async, work));
  work();
  for (auto& helper : helpers) helper.get();
  return all;
}

}  // namespace

std::string HeldImages::hash() const {
  std::string hashes;
  for (const Image& image : images)
    hashes += fmt::format("{}x{} {}\n", image.width, image.height, content_hash(std::as_bytes(std::span(image.rgb))));
  return content_hash(hashes);
}

std::vector<std::int64_t> every_image(const ImageSource& source) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(source.count()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

HeldImages hold_images(const ImageSource& source, const HoldOptions& options) { return hold_images(source, every_image(source), options); }

HeldImages hold_images(const ImageSource& source, const std::vector<std::int64_t>& chosen, const HoldOptions& options) {
  auto all = read_all(source, chosen, options);
  HeldImages held;
  std::int64_t left_out = 0;
  for (std::int64_t i = 0; i < std::ssize(all); ++i) {
    if (all[i].image) {
      held.images.push_back(std::move(*all[i].image));
      held.names.push_back(source.name(chosen[i]));
    } else if (options.skip) {
      ++left_out;
      if (options.warn) options.warn("left out: " + all[i].reason);
    } else {
      throw InputError(all[i].reason);
    }
  }
  if (left_out > 0 && options.warn) options.warn(fmt::format("{} of {} images were left out.", left_out, chosen.size()));
  return held;
}

bool held_out_at(std::int64_t index, std::int64_t count, std::int64_t n) { return index * count / n != (index + 1) * count / n; }

std::pair<HeldImages, HeldImages> hold_out(HeldImages all, std::int64_t count) {
  HeldImages stays, taken;
  const std::int64_t n = all.count();
  for (std::int64_t i = 0; i < n; ++i) {
    auto& part = held_out_at(i, count, n) ? taken : stays;
    part.images.push_back(std::move(all.images[i]));
    part.names.push_back(std::move(all.names[i]));
  }
  return {std::move(stays), std::move(taken)};
}

}  // namespace palimpsest
