#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/kernels.h"
#include "runtime/kernels_inline.h"

namespace palimpsest {
namespace {

constexpr int kBlocksAtOnce = 32; // of Philox, side by side
constexpr std::int64_t kHalvesAtOnce = 8 * kBlocksAtOnce;

// Blocks index, index + 1, ... of a stream, as RandomStream::block gives them one by one.
PALIMPSEST_INLINE void philox_blocks(std::uint64_t key, std::uint64_t index, std::uint32_t (&words)[kBlocksAtOnce][4]) {
  std::uint32_t c0[kBlocksAtOnce], c1[kBlocksAtOnce], c2[kBlocksAtOnce] = {}, c3[kBlocksAtOnce] = {};
  for (int l = 0; l < kBlocksAtOnce; ++l) {
    c0[l] = static_cast<std::uint32_t>(index + l);
    c1[l] = static_cast<std::uint32_t>((index + l) >> 32);
  }
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int l = 0; l < kBlocksAtOnce; ++l) {
      const std::uint64_t a = std::uint64_t{0xD2511F53} * c0[l], b = std::uint64_t{0xCD9E8D57} * c2[l];
      c0[l] = static_cast<std::uint32_t>(b >> 32) ^ c1[l] ^ k0;
      c1[l] = static_cast<std::uint32_t>(b);
      c2[l] = static_cast<std::uint32_t>(a >> 32) ^ c3[l] ^ k1;
      c3[l] = static_cast<std::uint32_t>(a);
    }
  for (int l = 0; l < kBlocksAtOnce; ++l)
    words[l][0] = c0[l], words[l][1] = c1[l], words[l][2] = c2[l], words[l][3] = c3[l];
}

// The next 256 multipliers: each half of a word, the low one first, decides one.
PALIMPSEST_INLINE void next_multipliers(std::uint64_t key, std::uint64_t block, std::uint32_t threshold, float kept,
                                        float* out) {
  std::uint32_t words[kBlocksAtOnce][4];
  philox_blocks(key, block, words);
  std::uint16_t halves[kHalvesAtOnce];
  static_assert(sizeof halves == sizeof words && std::endian::native == std::endian::little);
  std::memcpy(halves, words, sizeof halves);
  for (int i = 0; i < kHalvesAtOnce; ++i) out[i] = halves[i] < threshold ? 0.0f : kept;
}

}  // namespace

static void dropout(std::uint64_t key, std::uint32_t threshold, float kept, float* out, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kHalvesAtOnce <= n; i += kHalvesAtOnce)
    next_multipliers(key, static_cast<std::uint64_t>(i / 8), threshold, kept, out + i);
  if (i == n) return;
  float last[kHalvesAtOnce];
  next_multipliers(key, static_cast<std::uint64_t>(i / 8), threshold, kept, last);
  std::copy(last, last + (n - i), out + i);
}

}  // namespace palimpsest
