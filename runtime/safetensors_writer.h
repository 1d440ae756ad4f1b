#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/pending_file.h"

namespace palimpsest {

/// A tensor that is to be in a safetensors file.
struct TensorRoom {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
};

/// How a safetensors file begins (length and header), the tensors in the order in which they follow (wide types first, then by
/// name), and the byte of the file at which each of them begins.
struct SafetensorsLayout {
  std::string start;
  std::vector<std::size_t> order;
  std::map<std::string, std::uint64_t> begin;
};
SafetensorsLayout lay_out(std::span<const TensorRoom>, const std::map<std::string, std::string>& metadata, const std::string& file);

/// Writes a safetensors file piece by piece, for tensors that are not in memory at once. It is there whole or not at all.
/// Throws as write_safetensors.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& file, std::span<const TensorRoom>, const std::map<std::string, std::string>& metadata);
  /// The next bytes of a tensor.
  void append(const std::string& tensor, std::span<const std::byte> bytes);
  /// Once all bytes of all tensors are there; that they are is checked.
  void finish();

 private:
  struct Place {
    std::uint64_t next = 0, end = 0;
  };
  std::map<std::string, Place> places_;
  PendingFile file_;
};

}  // namespace palimpsest
