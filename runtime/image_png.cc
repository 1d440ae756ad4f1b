#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <png.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/image_codecs.h"

namespace palimpsest {
namespace {

/// libpng leaves by longjmp, which may not skip destructors: each call into it stands in a member function that returns
/// false then and has nothing to destroy.
class PngReader {
 public:
  explicit PngReader(std::span<const std::byte> bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_) info_ = png_create_info_struct(png_);
    if (!info_) std::snprintf(message_, sizeof message_, "no memory");
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Reads what precedes the pixels and asks for 8-bit RGB, or RGBA where the file has any transparency.
  bool read_header() {
    if (!info_ || setjmp(back_)) return false;
    png_set_read_fn(png_, this, take);
    png_read_info(png_, info_);
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  /// Fills `rows` [height][width, channels()] and reads on to the end of the file, checksums and all.
  bool read_rows(png_bytepp rows) {
    if (setjmp(back_)) return false;
    png_read_image(png_, rows);
    png_read_end(png_, info_);
    return true;
  }

  int width() const { return static_cast<int>(png_get_image_width(png_, info_)); }
  int height() const { return static_cast<int>(png_get_image_height(png_, info_)); }
  int channels() const { return png_get_channels(png_, info_); }
  const char* message() const { return message_; }

  int orientation() const {
    png_uint_32 length = 0;
    png_bytep exif = nullptr;
    if (!png_get_eXIf_1(png_, info_, &length, &exif)) return 1;
    return exif_orientation(std::as_bytes(std::span(exif, length)));
  }

 private:
  static PngReader& self(png_voidp pointer) { return *static_cast<PngReader*>(pointer); }
  static void on_error(png_structp png, png_const_charp message) {
    PngReader& reader = self(png_get_error_ptr(png));
    std::snprintf(reader.message_, sizeof reader.message_, "%s", message);
    longjmp(reader.back_, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void take(png_structp png, png_bytep out, size_t length) {
    PngReader& reader = self(png_get_io_ptr(png));
    if (length > reader.bytes_.size()) png_error(png, "the file ends too early");
    std::memcpy(out, reader.bytes_.data(), length);
    reader.bytes_ = reader.bytes_.subspan(length);
  }

  std::span<const std::byte> bytes_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  jmp_buf back_;
  char message_[200] = {};
};

void lay_over_white(std::vector<std::uint8_t>& pixels) {
  const std::size_t count = pixels.size() / 4;
  for (std::size_t i = 0; i < count; ++i) {
    const int alpha = pixels[4 * i + 3];
    for (int channel = 0; channel < 3; ++channel)
      pixels[3 * i + channel] =
          static_cast<std::uint8_t>((pixels[4 * i + channel] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  pixels.resize(count * 3);
}

std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return value;
}

// The size stands at a fixed place, so a huge image is refused before libpng sees any of it.
void guard_size_of_header(const EncodedImage& file) {
  if (file.bytes.size() < 24) cannot_decode(file, "PNG", "the file ends too early");
  guard_size(file, big_endian(file.bytes, 16), big_endian(file.bytes, 20));
}

}  // namespace

bool is_png(std::span<const std::byte> bytes) {
  return bytes.size() >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) == 0;
}

DecodedImage decode_png(const EncodedImage& file) {
  guard_size_of_header(file);
  PngReader reader(file.bytes);
  if (!reader.read_header()) cannot_decode(file, "PNG", reader.message());
  DecodedImage decoded{{reader.width(), reader.height(), {}}, reader.orientation()};
  if (file.header_only) return decoded;

  std::vector<std::uint8_t>& pixels = decoded.image.rgb;
  const std::size_t row_bytes = std::size_t(reader.width()) * reader.channels();
  pixels.resize(row_bytes * reader.height());
  std::vector<png_bytep> rows(reader.height());
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = pixels.data() + y * row_bytes;
  if (!reader.read_rows(rows.data())) cannot_decode(file, "PNG", reader.message());
  decoded.orientation = reader.orientation();  // an eXIf chunk may follow the pixels
  if (reader.channels() == 4) lay_over_white(pixels);
  return decoded;
}

std::vector<std::byte> encode_png(const Image& image) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  std::vector<std::byte> out(PNG_IMAGE_PNG_SIZE_MAX(header));
  png_alloc_size_t size = out.size();
  if (!png_image_write_to_memory(&header, out.data(), &size, 0, image.rgb.data(), 0, nullptr))
    throw Error("a PNG of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                " pixels could not be made: " + header.message);
  out.resize(size);
  return out;
}

void write_png(const std::filesystem::path& file, const Image& image) { write_durably(file, encode_png(image)); }

}  // namespace palimpsest
