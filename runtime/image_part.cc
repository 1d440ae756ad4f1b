#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/image.h"
#include "runtime/image_codecs.h"

namespace palimpsest {
namespace {

// The scales at which libjpeg-turbo decodes with vector instructions.
constexpr std::array kEighths = {1, 2, 4, 8};
constexpr double kSupport = 2.0;  // of the bicubic filter, in output pixels: what it looks at beside the box

int eighths_for(const Box& box, int side) {
  for (const int eighths : kEighths)
    if (std::min(box.width, box.height) * eighths / 8 >= side) return eighths;
  return 8;
}

/// Whole pixels of one axis: [first, end).
struct Range {
  int first, end;
};

/// What the filter reads of an axis of `size` pixels to make `side` ones of [begin, begin + length).
Range read_range(double begin, double length, int size, int side) {
  const double margin = kSupport * std::max(1.0, length / side) + 1;
  return {std::max(0, static_cast<int>(std::floor(begin - margin))),
          std::min(size, static_cast<int>(std::ceil(begin + length + margin)))};
}

Box times(const Box& box, double scale) {
  return {box.left * scale, box.top * scale, box.width * scale, box.height * scale};
}

Image resized(const Image& image, const Box& box, int side) {
  return resize_bicubic(image, side, side, box.left, box.top, box.width, box.height);
}

Image part_of_jpeg(const EncodedImage& file, int side, const std::function<Box(ImageSize)>& choose) {
  Box box;  // of the image as it is decoded
  int left = 0, top = 0;
  const auto what_to_decode = [&](ImageSize stored, int orientation) {
    const ImageSize size = turns_sides(orientation) ? ImageSize{stored.height, stored.width} : stored;
    const Box whole = choose(size);
    const int eighths = eighths_for(whole, side);
    const ImageSize scaled{scaled_size(stored.width, eighths), scaled_size(stored.height, eighths)};
    box = times(whole, eighths / 8.0);
    if (orientation > 1) return JpegPart{eighths, 0, 0, scaled.width, scaled.height};  // turned first, then cut
    const Range columns = read_range(box.left, box.width, scaled.width, side),
                rows = read_range(box.top, box.height, scaled.height, side);
    top = rows.first;
    return JpegPart{eighths, columns.first, rows.first, columns.end - columns.first, rows.end - rows.first};
  };
  DecodedImage decoded = decode_jpeg_part(file, what_to_decode, left);
  const Image image = upright(std::move(decoded.image), decoded.orientation);
  box.left -= left;
  box.top -= top;
  box.width = std::min(box.width, image.width - box.left);  // a scaled side may be rounded
  box.height = std::min(box.height, image.height - box.top);
  return resized(image, box, side);
}

}  // namespace

Image decode_part(std::span<const std::byte> bytes, const std::filesystem::path& name, int side,
                  const std::function<Box(ImageSize)>& choose, std::int64_t max_pixels) {
  if (is_jpeg(bytes)) return part_of_jpeg({bytes, name.string(), max_pixels}, side, choose);
  const Image image = decode_image(bytes, name, max_pixels);
  return resized(image, choose({image.width, image.height}), side);
}

}  // namespace palimpsest
