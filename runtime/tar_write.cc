#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "runtime/error.h"
#include "runtime/pending_file.h"
#include "runtime/tar.h"
#include "runtime/tar_header.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kLargestOctalSize = 077777777777;  // eleven digits

TarHeader header_of(std::string_view name, char type, std::int64_t size) {
  TarHeader header{};
  std::memcpy(header.data(), name.data(), std::min(name.size(), kTarNameLength));
  const auto write = [&](std::size_t at, const char* format, auto value) {
    std::sprintf(header.data() + at, format, value);
  };
  write(100, "%07o", 0644u);  // mode
  write(108, "%07o", 0u);     // owner
  write(116, "%07o", 0u);     // group
  write(kTarSizeAt, "%011llo", static_cast<unsigned long long>(size));
  write(136, "%011o", 0u);  // time
  header[kTarTypeAt] = type;
  std::memcpy(header.data() + kTarMagicAt, "ustar\00000", 8);  // magic and version
  write(kTarChecksumAt, "%06o", checksum_of(header));
  header[kTarChecksumAt + 7] = ' ';
  return header;
}

/// A line of a pax header; its length counts its own digits.
std::string pax_record(const std::string& key, std::string_view value) {
  const std::size_t rest = 1 + key.size() + 1 + value.size() + 1;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) ++length;
  return std::to_string(length) + " " + key + "=" + std::string(value) + "\n";
}

}  // namespace

TarWriter::TarWriter(std::filesystem::path archive)
    : archive_(std::move(archive)), temporary_(archive_.string() + ".writing-" + std::to_string(::getpid())) {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) cannot_write(archive_, errno);
}

TarWriter::~TarWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void TarWriter::append(std::span<const std::byte> bytes) {
  size_ += std::ssize(bytes);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) cannot_write(archive_, errno);
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void TarWriter::append_entry(std::string_view name, char type, std::span<const std::byte> content) {
  constexpr std::array<std::byte, kTarBlock> kZeros{};
  const TarHeader header = header_of(name, type, std::ssize(content));
  append(std::as_bytes(std::span(header)));
  append(content);
  append(std::span(kZeros).first(static_cast<std::size_t>((kTarBlock - std::ssize(content) % kTarBlock) % kTarBlock)));
}

void TarWriter::add(std::string_view name, std::span<const std::byte> content) {
  if (std::ssize(content) > kLargestOctalSize)
    throw InputError(std::string(name) + ": a file of 8 GiB or more does not go into a shard. Leave it out.");
  if (name.size() > kTarNameLength) {
    const std::string records = pax_record("path", name);
    append_entry("long name", 'x', std::as_bytes(std::span(records)));
  }
  append_entry(name, '0', content);
}

void TarWriter::finish() {
  constexpr std::array<std::byte, 2 * kTarBlock> kEnd{};
  append(kEnd);
  if (::fsync(descriptor_) != 0) cannot_write(archive_, errno);
  const int failed = ::close(std::exchange(descriptor_, -1));
  if (failed != 0 || ::rename(temporary_.c_str(), archive_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    cannot_write(archive_, error);
  }
}

}  // namespace palimpsest
