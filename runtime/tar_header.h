#pragma once

// A header block of a tar archive, between its reader and its writer.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace palimpsest {

inline constexpr std::int64_t kTarBlock = 512;
inline constexpr std::size_t kTarNameLength = 100, kTarSizeAt = 124, kTarChecksumAt = 148, kTarTypeAt = 156,
                             kTarMagicAt = 257, kTarPrefixAt = 345, kTarPrefixLength = 155;
using TarHeader = std::array<char, kTarBlock>;

bool is_zeros(const TarHeader&);

/// Of all bytes, its own eight counted as spaces.
std::uint32_t checksum_of(const TarHeader&);
bool checksum_holds(const TarHeader&);

/// With ustar's prefix, where there is one.
std::string name_of(const TarHeader&);

/// Octal, or GNU's base 256 for sizes from 8 GiB on; none where it is neither.
std::optional<std::int64_t> size_of(const TarHeader&);

std::string until_zero(std::string_view field);

}  // namespace palimpsest
