#include "runtime/image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include <libexif/exif-data.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/image_codecs.h"

namespace palimpsest {
namespace {

std::string format_of(std::span<const std::byte> bytes) {
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 16));
  const auto at = [&](std::size_t place, std::string_view word) {
    return start.size() > place && start.substr(place).starts_with(word);
  };
  if (at(0, "RIFF") && at(8, "WEBP")) return "a WebP image";
  if (at(0, "GIF8")) return "a GIF image";
  if (at(0, "BM")) return "a BMP image";
  if (at(0, "II*") || at(0, "MM")) return "a TIFF image";
  if (at(4, "ftyp")) return "a HEIC or AVIF image";
  const bool printable =
      std::all_of(start.begin(), start.end(), [](char c) { return c >= 0x20 || c == '\n' || c == '\t' || c == '\r'; });
  return printable ? "text" : "no image that is known here";
}

DecodedImage decode(const EncodedImage& file) {
  if (file.bytes.empty()) throw InputError(file.name + ": this file is empty. Remove it or put the image there.");
  if (is_jpeg(file.bytes)) return decode_jpeg(file);
  if (is_png(file.bytes)) return decode_png(file);
  throw InputError(file.name + ": this is " + format_of(file.bytes) + ", not a JPEG or PNG. Remove it or convert it.");
}

struct Size {
  int width, height;
};

/// Short side to `side`, the long one cut to whole pixels, as CLIP's libraries do.
Size scaled_to(int width, int height, int side) {
  const auto scaled = [&, less = std::min(width, height)](std::int64_t length) { return static_cast<int>(side * length / less); };
  return {scaled(width), scaled(height)};
}

template <int kChannels>
std::vector<std::uint8_t> centre(const std::vector<std::uint8_t>& pixels, int width, int height, int side) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(side) * side * kChannels);
  const std::size_t left = (width - side) / 2, top = (height - side) / 2,
                    row_bytes = static_cast<std::size_t>(side) * kChannels;
  for (std::size_t y = 0; y < static_cast<std::size_t>(side); ++y)
    std::memcpy(&out[y * row_bytes], &pixels[((top + y) * width + left) * kChannels], row_bytes);
  return out;
}

}  // namespace

bool turns_sides(int orientation) { return orientation >= 5; }

/// EXIF orientation o: what the viewer must do to the stored image. 2-4 mirror or turn by 180 degrees; 5-8 swap rows
/// and columns besides.
Image upright(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const int last_x = stored.width - 1, last_y = stored.height - 1;
  Image out{stored.width, stored.height, std::vector<std::uint8_t>(stored.rgb.size())};
  if (turns_sides(orientation)) std::swap(out.width, out.height);
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  std::uint8_t* to = out.rgb.data();
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x, to += 3) {
      int column = turns_sides(orientation) ? y : x, row = turns_sides(orientation) ? x : y;
      if (from_right) column = last_x - column;
      if (from_below) row = last_y - row;
      std::memcpy(to, &stored.rgb[3 * (static_cast<std::size_t>(row) * stored.width + column)], 3);
    }
  return out;
}

int exif_orientation(std::span<const std::byte> tiff) {
  std::vector<unsigned char> block = {'E', 'x', 'i', 'f', 0, 0};
  for (const std::byte byte : tiff) block.push_back(std::to_integer<unsigned char>(byte));
  const std::unique_ptr<ExifData, decltype(&exif_data_unref)> data(exif_data_new(), &exif_data_unref);
  if (!data) throw std::bad_alloc();
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);  // read it, do not mend it
  exif_data_load_data(data.get(), block.data(), static_cast<unsigned>(block.size()));
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (!entry || entry->format != EXIF_FORMAT_SHORT || entry->size < 2) return 1;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

void guard_size(const EncodedImage& file, std::int64_t width, std::int64_t height) {
  if (width <= 0 || height <= 0 || width > 0x7fffffff || height > 0x7fffffff)
    cannot_decode(file, "image", "it has no sound size");
  if (width <= file.max_pixels / height) return;
  throw InputError(file.name + ": " + std::to_string(width) + " x " + std::to_string(height) +
                   " pixels are more than the " + std::to_string(file.max_pixels / 1'000'000) +
                   " million that are read. Shrink the image or remove it.");
}

void cannot_decode(const EncodedImage& file, const std::string& format, const std::string& reason) {
  throw InputError(file.name + ": this " + format + " is damaged or cut off (" + reason +
                   "). Replace it or remove it.");
}

Image decode_image(std::span<const std::byte> bytes, const std::filesystem::path& name, std::int64_t max_pixels) {
  DecodedImage decoded = decode({bytes, name.string(), max_pixels});
  return upright(std::move(decoded.image), decoded.orientation);
}

Image decode_image(const std::filesystem::path& file, std::int64_t max_pixels) {
  const std::string bytes = read_file(file);
  return decode_image(std::as_bytes(std::span(bytes)), file, max_pixels);
}

ImageSize image_size(std::span<const std::byte> bytes, const std::filesystem::path& name, std::int64_t max_pixels) {
  const DecodedImage decoded = decode({bytes, name.string(), max_pixels, true});
  ImageSize size{decoded.image.width, decoded.image.height};
  if (turns_sides(decoded.orientation)) std::swap(size.width, size.height);
  return size;
}

ImageSize image_size(const std::filesystem::path& file, std::int64_t max_pixels) {
  constexpr std::size_t kMostHeaders = 1 << 17;
  const std::string start = read_start(file, kMostHeaders);
  try {
    return image_size(std::as_bytes(std::span(start)), file, max_pixels);
  } catch (const InputError&) {
    if (start.size() < kMostHeaders) throw;
  }
  const std::string whole = read_file(file);  // a long preview stands before the size
  return image_size(std::as_bytes(std::span(whole)), file, max_pixels);
}

Mask decode_mask(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  return decode_mask(std::as_bytes(std::span(bytes)), file);
}

Mask decode_mask(std::span<const std::byte> bytes, const std::filesystem::path& name) {
  const Image image = decode_image(bytes, name);
  Mask mask{image.width, image.height, std::vector<std::uint8_t>(image.rgb.size() / 3)};
  for (std::size_t i = 0; i < mask.figure.size(); ++i) mask.figure[i] = image.rgb[3 * i] > 128 ? 255 : 0;
  if (std::find(mask.figure.begin(), mask.figure.end(), 255) == mask.figure.end())
    throw InputError(name.string() +
                     ": this mask marks no figure (no value is above 128). Write 255 for figure and 0 for ground.");
  return mask;
}

Mask resize_nearest(const Mask& mask, int width, int height) {
  Mask out{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height)};
  const double scale_x = static_cast<double>(mask.width) / width, scale_y = static_cast<double>(mask.height) / height;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const auto row = static_cast<std::size_t>((y + 0.5) * scale_y),
                 column = static_cast<std::size_t>((x + 0.5) * scale_x);
      out.figure[static_cast<std::size_t>(y) * width + x] = mask.figure[row * mask.width + column];
    }
  return out;
}

Image square(const Image& image, int side) {
  const Size size = scaled_to(image.width, image.height, side);
  return {side, side, centre<3>(resize_bicubic(image, size.width, size.height).rgb, size.width, size.height, side)};
}

Mask square(const Mask& mask, int side) {
  const Size size = scaled_to(mask.width, mask.height, side);
  return {side, side, centre<1>(resize_nearest(mask, size.width, size.height).figure, size.width, size.height, side)};
}

}  // namespace palimpsest
