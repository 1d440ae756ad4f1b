#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace palimpsest {

/// A file that is written piece by piece and is there whole or not at all: a temporary file beside it, which is gone again
/// unless it is committed. Throws Interrupted where the disk is full or fails, InputError where the folder cannot be written to.
class PendingFile {
 public:
  explicit PendingFile(std::filesystem::path target);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  void append(std::span<const std::byte> bytes);
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  /// fsync, rename, fsync of the folder, one after the other.
  void sync();
  void rename();
  void sync_folder();

 private:
  std::filesystem::path target_;
  std::string path_;
  int descriptor_;
  bool kept_ = false;
};

/// Says why a file could not be written, by errno.
[[noreturn]] void cannot_write(const std::filesystem::path& file, int error);

}  // namespace palimpsest
