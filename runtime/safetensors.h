#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace palimpsest {

/// One tensor of a safetensors file as its header tells it.
struct TensorEntry {
  std::string dtype;                // "F32", "BF16", "F16", "F64", "I64", "U8", ...
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, from the start of the data
};

/// A safetensors file mapped into memory, every length, offset, overlap, hole, duplicate key and dtype checked before use
/// (header at most 100 MB). Throws InputError that names the file, the tensor and the rule it breaks.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& file);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  const std::filesystem::path& path() const;
  const std::map<std::string, TensorEntry>& tensors() const;
  const std::map<std::string, std::string>& metadata() const;
  std::span<const std::byte> bytes(const std::string& tensor) const;  // valid as long as the file; throws if absent

 private:
  struct Mapping;
  std::unique_ptr<Mapping> mapping_;
};

/// Checks a header (the bytes after the 8-byte length) against the size of the data that follows it.
struct SafetensorsHeader {
  std::map<std::string, TensorEntry> tensors;
  std::map<std::string, std::string> metadata;
};
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> header, std::uint64_t data_size, const std::string& name);

/// One tensor to write: contiguous little-endian bytes that stay valid during the call.
struct TensorView {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes a safetensors file, tensors sorted by width of their type (wide first) and name: temporary file, fsync, rename, fsync of
/// the folder. Throws Interrupted on a full disk, InputError when the folder cannot be written to; a file of that name stays whole.
void write_safetensors(const std::filesystem::path& file, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata);

/// Bytes of one number of a dtype; 0 where the name is unknown.
std::size_t dtype_size(const std::string& dtype);

}  // namespace palimpsest
