#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/image_source.h"

namespace palimpsest {

/// Images kept in memory as 8 bits.
struct HeldImages {
  std::vector<Image> images;
  std::vector<std::string> names;

  std::int64_t count() const { return std::ssize(images); }
  std::string hash() const;   // XXH3-128 of all pixels, in hex
};

struct HoldOptions {
  int short_side = 96;         // larger images are reduced to it; memory grows with its square
  int smallest_side = 1;       // an image with a shorter side is refused, or skipped
  bool skip = false;           // leave out images that cannot be read or are too small, with a warning, instead of refusing them
  std::function<void(const std::string&)> warn;
};

std::vector<std::int64_t> every_image(const ImageSource&);   // 0, 1, ...

/// Reads every image of a source, on all cores. Throws InputError that names the first image that will not do.
HeldImages hold_images(const ImageSource&, const HoldOptions&);
HeldImages hold_images(const ImageSource&, const std::vector<std::int64_t>& chosen, const HoldOptions&);

/// Takes `count` of them out, evenly spread over their order (which for a folder is that of the names): [what stays, what was taken].
std::pair<HeldImages, HeldImages> hold_out(HeldImages, std::int64_t count);
/// Whether the `index`-th of n images is among the `count` that are taken.
bool held_out_at(std::int64_t index, std::int64_t count, std::int64_t n);

}  // namespace palimpsest
