#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace palimpsest {

/// A regular file within a tar archive.
struct TarMember {
  std::string name;
  std::int64_t offset = 0;  // of its first byte in the archive
  std::int64_t size = 0;
};

/// The regular files of a tar archive (ustar, GNU's long names, pax), in their order; folders, links and devices are
/// passed over. Only headers are read. Throws InputError that names archive, byte and member: not a tar archive,
/// compressed, cut off, a damaged header.
std::vector<TarMember> tar_members(const std::filesystem::path& archive);

/// What a member holds. Throws InputError where the archive has become shorter since. Safe from several threads.
std::string read_member(const std::filesystem::path& archive, const TarMember&);

/// Writes an archive whole or not at all: beside it under another name, synced, renamed by finish(). Times, owners and
/// groups are zero, so that equal contents give equal bytes. Names beyond ustar's 100 letters go into pax headers.
/// Throws Interrupted on a full disk, InputError where it cannot be written.
class TarWriter {
 public:
  explicit TarWriter(std::filesystem::path archive);
  ~TarWriter();  // without finish(): nothing is left
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  void add(std::string_view name, std::span<const std::byte> content);
  std::int64_t size() const { return size_; }  // bytes so far
  void finish();

 private:
  void append(std::span<const std::byte> bytes);
  void append_entry(std::string_view name, char type, std::span<const std::byte> content);

  std::filesystem::path archive_, temporary_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace palimpsest
