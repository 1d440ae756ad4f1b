#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <jpeglib.h>

#include "runtime/image.h"

namespace palimpsest {
namespace {

struct ErrorManager {
  jpeg_error_mgr base;
  jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr codec) {
  auto& errors = *reinterpret_cast<ErrorManager*>(codec->err);
  codec->err->format_message(codec, errors.message);
  longjmp(errors.back, 1);
}

/// libjpeg leaves by longjmp, which may not skip destructors: the calls into it stand in a member function that returns
/// false then and has nothing to destroy.
class JpegWriter {
 public:
  JpegWriter() {
    codec_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave;
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&codec_);
    std::free(bytes_);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  bool write(const Image& image, int quality) {
    if (setjmp(errors_.back)) return false;
    jpeg_create_compress(&codec_);
    jpeg_mem_dest(&codec_, &bytes_, &size_);
    codec_.image_width = static_cast<JDIMENSION>(image.width);
    codec_.image_height = static_cast<JDIMENSION>(image.height);
    codec_.input_components = 3;
    codec_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&codec_);
    jpeg_set_quality(&codec_, quality, TRUE);
    codec_.comp_info[0].h_samp_factor = codec_.comp_info[0].v_samp_factor = 1;  // small images have no colour to spare
    codec_.optimize_coding = TRUE;
    jpeg_start_compress(&codec_, TRUE);
    while (codec_.next_scanline < codec_.image_height) {
      // libjpeg takes rows it does not change without const
      auto* row = const_cast<JSAMPLE*>(image.rgb.data() + std::size_t{3} * codec_.next_scanline * codec_.image_width);
      jpeg_write_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_compress(&codec_);
    return true;
  }

  std::span<const std::byte> bytes() const { return {reinterpret_cast<const std::byte*>(bytes_), size_}; }
  const char* message() const { return errors_.message; }

 private:
  jpeg_compress_struct codec_{};
  ErrorManager errors_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  JpegWriter writer;
  if (!writer.write(image, quality))
    throw std::runtime_error(std::string("a JPEG could not be made: ") + writer.message());
  return {writer.bytes().begin(), writer.bytes().end()};
}

}  // namespace palimpsest
