#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

#include "runtime/image_codecs.h"

namespace palimpsest {
namespace {

constexpr int kMostScans = 500;  // a progressive file of a few bytes can ask for more work than any photograph

struct ErrorManager {
  jpeg_error_mgr base;
  jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

ErrorManager& errors(j_common_ptr codec) { return *reinterpret_cast<ErrorManager*>(codec->err); }

[[noreturn]] void leave(j_common_ptr codec) {
  codec->err->format_message(codec, errors(codec).message);
  longjmp(errors(codec).back, 1);
}

// libjpeg goes on after a warning with invented pixels; those that tell of lost picture data are errors here.
void on_message(j_common_ptr codec, int level) {
  if (level >= 0) return;
  switch (codec->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      leave(codec);
  }
}

void on_progress(j_common_ptr codec) {
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= kMostScans) return;
  std::snprintf(errors(codec).message, JMSG_LENGTH_MAX, "more than %d scans", kMostScans);
  longjmp(errors(codec).back, 1);
}

/// libjpeg leaves by longjmp, which may not skip destructors: each call into it stands in a member function that
/// returns false then and has nothing to destroy.
class JpegReader {
 public:
  explicit JpegReader(std::span<const std::byte> bytes) : bytes_(bytes) {
    codec_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave;
    errors_.base.emit_message = on_message;
    progress_.progress_monitor = on_progress;
  }
  ~JpegReader() { jpeg_destroy_decompress(&codec_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header() {
    if (setjmp(errors_.back)) return false;
    jpeg_create_decompress(&codec_);
    codec_.progress = &progress_;
    jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_save_markers(&codec_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&codec_, TRUE);
    codec_.out_color_space = codec_.num_components == 1   ? JCS_GRAYSCALE
                             : codec_.num_components == 4 ? JCS_CMYK
                                                          : JCS_RGB;
    return true;
  }

  /// Fills `rows` [height, width, channels()].
  bool read_rows(std::uint8_t* rows) {
    if (setjmp(errors_.back)) return false;
    jpeg_start_decompress(&codec_);
    while (codec_.output_scanline < codec_.output_height) {
      JSAMPROW row = rows + std::size_t{codec_.output_scanline} * codec_.output_width * codec_.output_components;
      jpeg_read_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_decompress(&codec_);
    return true;
  }

  /// Starts decoding the columns [left, left + width) of the image at eighths / 8, wider where blocks of the file are:
  /// left() and columns() tell.
  bool begin_part(const JpegPart& part) {
    if (setjmp(errors_.back)) return false;
    codec_.scale_num = static_cast<unsigned>(part.eighths);
    codec_.scale_denom = 8;
    jpeg_start_decompress(&codec_);
    left_ = static_cast<JDIMENSION>(part.left);
    JDIMENSION columns = static_cast<JDIMENSION>(part.width);
    if (columns < codec_.output_width) jpeg_crop_scanline(&codec_, &left_, &columns);
    return true;
  }

  /// Fills `rows` [height, columns(), channels()] from row `top` on, and leaves what comes after it.
  bool read_part(const JpegPart& part, std::uint8_t* rows) {
    if (setjmp(errors_.back)) return false;
    if (part.top > 0) jpeg_skip_scanlines(&codec_, static_cast<JDIMENSION>(part.top));
    const JDIMENSION end = static_cast<JDIMENSION>(part.top + part.height);
    while (codec_.output_scanline < end) {
      JSAMPROW row = rows + std::size_t{codec_.output_scanline - static_cast<JDIMENSION>(part.top)} * codec_.output_width *
                                codec_.output_components;
      jpeg_read_scanlines(&codec_, &row, 1);
    }
    return true;
  }

  int left() const { return static_cast<int>(left_); }
  int columns() const { return static_cast<int>(codec_.output_width); }
  int width() const { return static_cast<int>(codec_.image_width); }
  int height() const { return static_cast<int>(codec_.image_height); }
  int channels() const {
    return codec_.out_color_space == JCS_GRAYSCALE ? 1 : codec_.out_color_space == JCS_CMYK ? 4 : 3;
  }
  const char* message() const { return errors_.message; }

  int orientation() const {
    constexpr char kExif[] = "Exif\0";  // and the zero that ends the literal
    for (jpeg_saved_marker_ptr marker = codec_.marker_list; marker; marker = marker->next)
      if (marker->data_length > sizeof kExif && std::memcmp(marker->data, kExif, sizeof kExif) == 0)
        return exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length)).subspan(sizeof kExif));
    return 1;
  }

 private:
  std::span<const std::byte> bytes_;
  JDIMENSION left_ = 0;
  jpeg_decompress_struct codec_{};
  jpeg_progress_mgr progress_{};
  ErrorManager errors_{};
};

void spread_grey(std::vector<std::uint8_t>& pixels) {
  const std::size_t count = pixels.size();
  pixels.resize(count * 3);
  for (std::size_t i = count; i-- > 0;) pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
}

// Adobe's files hold 255 minus the ink. As Pillow converts them: r = (1 - k) - c (1 - k), in 255ths.
void ink_to_light(std::vector<std::uint8_t>& pixels) {
  const std::size_t count = pixels.size() / 4;
  for (std::size_t i = 0; i < count; ++i) {
    const int light = pixels[4 * i + 3];
    for (int channel = 0; channel < 3; ++channel) {
      const int product = (255 - pixels[4 * i + channel]) * light + 128;
      pixels[3 * i + channel] = static_cast<std::uint8_t>(light - (((product >> 8) + product) >> 8));
    }
  }
  pixels.resize(count * 3);
}

void to_rgb(std::vector<std::uint8_t>& pixels, int channels) {
  if (channels == 1) spread_grey(pixels);
  if (channels == 4) ink_to_light(pixels);
}

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xFF} && bytes[1] == std::byte{0xD8} && bytes[2] == std::byte{0xFF};
}

DecodedImage decode_jpeg(const EncodedImage& file) {
  JpegReader reader(file.bytes);
  if (!reader.read_header()) cannot_decode(file, "JPEG", reader.message());
  guard_size(file, reader.width(), reader.height());
  DecodedImage decoded{{reader.width(), reader.height(), {}}, reader.orientation()};
  if (file.header_only) return decoded;

  std::vector<std::uint8_t>& pixels = decoded.image.rgb;
  pixels.resize(std::size_t(reader.width()) * reader.height() * reader.channels());
  if (!reader.read_rows(pixels.data())) cannot_decode(file, "JPEG", reader.message());
  to_rgb(pixels, reader.channels());
  return decoded;
}

DecodedImage decode_jpeg_part(const EncodedImage& file, const std::function<JpegPart(ImageSize, int)>& choose,
                              int& left) {
  JpegReader reader(file.bytes);
  if (!reader.read_header()) cannot_decode(file, "JPEG", reader.message());
  guard_size(file, reader.width(), reader.height());
  DecodedImage decoded{{}, reader.orientation()};
  const JpegPart part = choose({reader.width(), reader.height()}, decoded.orientation);
  if (!reader.begin_part(part)) cannot_decode(file, "JPEG", reader.message());
  left = reader.left();
  decoded.image = {reader.columns(), part.height, {}};
  std::vector<std::uint8_t>& pixels = decoded.image.rgb;
  pixels.resize(std::size_t(reader.columns()) * part.height * reader.channels());
  if (!reader.read_part(part, pixels.data())) cannot_decode(file, "JPEG", reader.message());
  to_rgb(pixels, reader.channels());
  return decoded;
}

}  // namespace palimpsest
