#include "runtime/tar_header.h"

#include <algorithm>

namespace palimpsest {
namespace {

std::string_view field(const TarHeader& header, std::size_t at, std::size_t length) {
  return {header.data() + at, length};
}

/// Digits between spaces and zeros; an empty field is 0.
std::optional<std::int64_t> octal(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  text = text.substr(0, text.find_first_of(std::string_view(" \0", 2)));
  std::int64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '7') return std::nullopt;
    value = value * 8 + (digit - '0');
  }
  return value;
}

std::int64_t base256(std::string_view bytes) {
  std::int64_t value = 0;
  for (const char byte : bytes.substr(bytes.size() - 8)) value = (value << 8) | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

bool is_zeros(const TarHeader& header) {
  return std::all_of(header.begin(), header.end(), [](char byte) { return byte == 0; });
}

std::uint32_t checksum_of(const TarHeader& header) {
  std::uint32_t sum = 8 * ' ';
  for (std::size_t i = 0; i < header.size(); ++i)
    if (i < kTarChecksumAt || i >= kTarChecksumAt + 8) sum += static_cast<unsigned char>(header[i]);
  return sum;
}

bool checksum_holds(const TarHeader& header) { return octal(field(header, kTarChecksumAt, 8)) == checksum_of(header); }

std::string until_zero(std::string_view text) { return std::string(text.substr(0, text.find('\0'))); }

std::string name_of(const TarHeader& header) {
  const std::string name = until_zero(field(header, 0, kTarNameLength));
  if (field(header, kTarMagicAt, 6) != std::string_view("ustar\0", 6))
    return name;  // GNU keeps times where ustar has the prefix
  const std::string prefix = until_zero(field(header, kTarPrefixAt, kTarPrefixLength));
  return prefix.empty() ? name : prefix + "/" + name;
}

std::optional<std::int64_t> size_of(const TarHeader& header) {
  const std::string_view size = field(header, kTarSizeAt, 12);
  return size[0] == '\x80' ? base256(size) : octal(size);
}

}  // namespace palimpsest
