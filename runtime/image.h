#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

namespace palimpsest {

/// 8-bit RGB, rows top to bottom, three bytes a pixel.
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
  bool operator==(const Image&) const = default;
};

/// 8-bit figure mask of an image: 0 ground, 255 figure.
struct Mask {
  int width = 0, height = 0;
  std::vector<std::uint8_t> figure;
};

/// Decodes a JPEG or PNG file (told apart by content, not by name): EXIF orientation applied, grey spread over three
/// channels, alpha laid over white, 16 bits reduced to 8, CMYK JPEG converted. Throws InputError that names the file and
/// what is wrong (not an image, truncated, more than `max_pixels`).
Image decode_image(const std::filesystem::path& file, std::int64_t max_pixels = 200'000'000);
Image decode_image(std::span<const std::byte> bytes, const std::filesystem::path& name, std::int64_t max_pixels = 200'000'000);

/// A grey PNG or JPEG: figure where a pixel is above 128. Throws InputError, also where no pixel is figure.
Mask decode_mask(const std::filesystem::path& file);
Mask decode_mask(std::span<const std::byte> bytes, const std::filesystem::path& name);

/// Width and height of an image as decode_image would return it, from its header alone.
struct ImageSize {
  int width = 0, height = 0;
  bool operator==(const ImageSize&) const = default;
};
ImageSize image_size(const std::filesystem::path& file, std::int64_t max_pixels = 200'000'000);
ImageSize image_size(std::span<const std::byte> bytes, const std::filesystem::path& name,
                     std::int64_t max_pixels = 200'000'000);

/// Pillow's Image.resize(BICUBIC): Keys a = -0.5, antialiased, separable, rounded to 8 bits between the passes. Bit-equal.
Image resize_bicubic(const Image&, int width, int height);
/// The same over the box [left, left + box_width) x [top, top + box_height) of the image (Pillow's box argument).
Image resize_bicubic(const Image&, int width, int height, double left, double top, double box_width, double box_height);
Mask resize_nearest(const Mask&, int width, int height);

/// A part of an image, in pixels, not rounded.
struct Box {
  double left = 0, top = 0, width = 0, height = 0;
};

/// The part of an image that `choose` picks, told the image's size, as side x side pixels (resize_bicubic). Of a JPEG no
/// more is decoded than that needs: at the smallest of 1/8, 1/4, 1/2 and full scale that leaves the box `side` pixels a
/// side, between its first and last row and column. Throws InputError as decode_image; damage behind the part is not seen.
Image decode_part(std::span<const std::byte> bytes, const std::filesystem::path& name, int side,
                  const std::function<Box(ImageSize)>& choose, std::int64_t max_pixels = 200'000'000);

/// CLIP's preprocessing up to the pixels: short side to `side` (bicubic; the long side cut to whole
/// pixels), centre crop side x side, from the smaller half of an odd margin on.
Image square(const Image&, int side);
Mask square(const Mask&, int side);

void write_png(const std::filesystem::path& file, const Image&);  // written beside, then renamed
std::vector<std::byte> encode_png(const Image&);
std::vector<std::byte> encode_jpeg(const Image&, int quality);  // 1 to 100, colour at full resolution

}  // namespace palimpsest
