#include "models/augment.h"

#include <algorithm>
#include <cmath>

namespace palimpsest {
namespace {

enum Draw : std::uint64_t { kSide, kStretch, kLeft, kTop, kFlip };

}  // namespace

void mirror(Image& image) {
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* row = image.rgb.data() + std::size_t{3} * y * image.width;
    for (int a = 0, b = image.width - 1; a < b; ++a, --b) std::swap_ranges(row + 3 * a, row + 3 * a + 3, row + 3 * b);
  }
}

Crop draw_crop(int width, int height, const CropRange& range, const RandomStream& stream) {
  const double side = std::min(width, height) * (range.smallest + (range.largest - range.smallest) * stream.uniform(kSide));
  const double stretch = std::pow(range.aspect, stream.uniform(kStretch) - 0.5);  // of width, and the inverse of height
  Crop crop;
  crop.width = std::min<double>(width, side * stretch);
  crop.height = std::min<double>(height, side / stretch);
  crop.left = (width - crop.width) * stream.uniform(kLeft);
  crop.top = (height - crop.height) * stream.uniform(kTop);
  crop.flipped = range.flip && stream.uniform(kFlip) < 0.5;
  return crop;
}

Image cut(const Image& image, const Crop& crop, int side) {
  Image out = resize_bicubic(image, side, side, crop.left, crop.top, crop.width, crop.height);
  if (crop.flipped) mirror(out);
  return out;
}

}  // namespace palimpsest
