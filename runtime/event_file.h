#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "runtime/image.h"

namespace palimpsest {

/// A folder of TensorBoard event files, to which curves and pictures are written as training goes.
///
/// A file is a row of records: the length of the data (8 bytes, little-endian), its masked checksum (4), the data,
/// their masked checksum (4). The data are an Event in protobuf's encoding: wall_time = 1 (double), step = 2,
/// file_version = 3 ("brain.Event:2", of the first one), summary = 5 { value = 1 { tag = 1, simple_value = 2 (float),
/// image = 4 { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 (PNG) } } }, session_log = 7 { status =
/// 1 (1: started) }. The checksum is CRC-32C; masked: turned right by 15 bits, plus 0xa282ead8.
class EventFile {
 public:
  /// Opens a new file in `folder`, after taking out of those that are there what lies after `step`: a run that goes on
  /// from a checkpoint repeats those steps. Throws InputError where it cannot be written.
  EventFile(const std::filesystem::path& folder, std::int64_t step);

  void scalar(std::int64_t step, std::string_view tag, double value);
  void image(std::int64_t step, std::string_view tag, const Image&);
  void flush();

 private:
  void write(const std::string& event);
  std::ofstream file_;
};

/// CRC-32C (Castagnoli; polynomial 0x1EDC6F41, reflected) of bytes.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace palimpsest
