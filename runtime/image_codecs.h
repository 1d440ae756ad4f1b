#pragma once

// Between image.cc and the two decoders.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "runtime/image.h"

namespace palimpsest {

/// An image file in memory.
struct EncodedImage {
  std::span<const std::byte> bytes;
  std::string name;  // for errors
  std::int64_t max_pixels = 0;
  bool header_only = false;  // true: the size, no pixels
};

/// As the file holds it, before its orientation is applied.
struct DecodedImage {
  Image image;          // rgb is empty where only the header was asked for
  int orientation = 1;  // EXIF, 1 to 8
};

/// What is decoded of a JPEG: columns and rows of the image at eighths / 8 of its size.
struct JpegPart {
  int eighths = 8;  // 1, 2, 4 or 8
  int left = 0, top = 0, width = 0, height = 0;
};

/// The size of an image at eighths / 8, as libjpeg rounds it.
inline int scaled_size(int size, int eighths) { return (size * eighths + 7) / 8; }

bool is_jpeg(std::span<const std::byte> bytes);
bool is_png(std::span<const std::byte> bytes);
DecodedImage decode_jpeg(const EncodedImage&);  // throws InputError
/// A part of it; what comes back may have columns more on either side: its first one is written to `left`.
DecodedImage decode_jpeg_part(const EncodedImage&, const std::function<JpegPart(ImageSize stored, int orientation)>&,
                              int& left);
DecodedImage decode_png(const EncodedImage&);   // throws InputError

/// EXIF orientation of a block that starts with the TIFF header ("II*" or "MM*"); 1 where it tells none.
int exif_orientation(std::span<const std::byte> tiff);

/// Throws InputError where width x height is more than the file may have; called before anything is allocated.
void guard_size(const EncodedImage&, std::int64_t width, std::int64_t height);

/// Turned as its orientation says.
Image upright(Image stored, int orientation);
bool turns_sides(int orientation);

[[noreturn]] void cannot_decode(const EncodedImage&, const std::string& format, const std::string& reason);

}  // namespace palimpsest
