#include "runtime/random_stream.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace palimpsest {
namespace {

// Counter words 2 and 3 say what a block is for, so that numbers of a stream and keys of its children never meet.
constexpr std::uint32_t kNumbers = 0, kChildren = 1, kPermutation = 2;

std::array<std::uint32_t, 4> at(std::uint64_t key, std::uint64_t index, std::uint32_t use) {
  return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), use, 0},
                    {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
}

std::uint64_t scaled(std::uint64_t bits32, std::uint64_t low32, std::uint64_t bound) {
  // 64 random bits times the bound, the high word: uniform to 2^-64 * bound.
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>((bits32 << 32) | low32) * bound) >> 64);
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0], b = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(a)};
    k = {k[0] + 0x9E3779B9u, k[1] + 0xBB67AE85u};
  }
  return c;
}

RandomStream RandomStream::child(std::uint64_t branch) const {
  const auto b = at(key_, branch, kChildren);
  return RandomStream((std::uint64_t{b[1]} << 32) | b[0]);
}

std::array<std::uint32_t, 4> RandomStream::block(std::uint64_t index) const { return at(key_, index, kNumbers); }

std::uint32_t RandomStream::bits(std::uint64_t index) const { return block(index / 4)[index % 4]; }

double RandomStream::uniform(std::uint64_t index) const { return bits(index) * 0x1p-32; }

double RandomStream::normal(std::uint64_t index) const {
  const auto b = block(index / 2);
  const std::size_t half = 2 * (index % 2);
  const double u = (b[half] + 1.0) * 0x1p-32, v = b[half + 1] * 0x1p-32;  // u in (0, 1]
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::uint64_t RandomStream::below(std::uint64_t index, std::uint64_t bound) const {
  const auto b = block(index / 2);
  const std::size_t half = 2 * (index % 2);
  return scaled(b[half], b[half + 1], bound);
}

std::vector<std::int64_t> RandomStream::permutation(std::int64_t n) const {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) order[i] = i;
  // Forward, so that the first k places are settled by the first k draws.
  for (std::int64_t i = 0; i + 1 < n; ++i) {
    const auto b = at(key_, static_cast<std::uint64_t>(i), kPermutation);
    std::swap(order[i], order[i + static_cast<std::int64_t>(scaled(b[0], b[1], static_cast<std::uint64_t>(n - i)))]);
  }
  return order;
}

void RandomStream::fill_uniform(float* out, std::int64_t n) const {
  for (std::int64_t i = 0; i < n; i += 4) {
    const auto b = block(static_cast<std::uint64_t>(i / 4));
    for (std::int64_t j = i; j < n && j < i + 4; ++j) out[j] = static_cast<float>(b[j - i] >> 8) * 0x1p-24f;
  }
}

void RandomStream::fill_normal(float* out, std::int64_t n) const {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(normal(static_cast<std::uint64_t>(i)));
}

}  // namespace palimpsest
