#include "sweeps/resamples.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

constexpr std::size_t kCells = 6;  // at a time: 2 x 6 accumulators are what fits into 16 vector registers
constexpr std::size_t kLanes = 16;
constexpr std::size_t kNearValues = 2400;  // of cells that meet a panel together: they stay in the first cache

using Pair = std::array<std::int16_t, 2>;  // of neighbouring units

/// sums[c * pitch + 0..16) = sum_i values[i][c] . panel[i][0..16) for six cells, whose pairs lie side by side.
using Tile = void (*)(const Pair* panel, const Pair* values, std::size_t pairs, std::int32_t* sums, std::size_t pitch);

void tile_for_any(const Pair* panel, const Pair* values, std::size_t pairs, std::int32_t* sums, std::size_t pitch) {
  for (std::size_t c = 0; c < kCells; ++c) {
    std::int32_t row[kLanes] = {};
    for (std::size_t i = 0; i < pairs; ++i)
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const Pair &drawn = panel[i * kLanes + lane], &value = values[i * kCells + c];
        row[lane] += std::int32_t{drawn[0]} * value[0] + std::int32_t{drawn[1]} * value[1];
      }
    std::copy_n(row, kLanes, sums + c * pitch);
  }
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void tile_for_avx2(const Pair* panel, const Pair* values, std::size_t pairs, std::int32_t* sums, std::size_t pitch) {
  __m256i low[kCells] = {}, high[kCells] = {};
  for (std::size_t i = 0; i < pairs; ++i, panel += kLanes, values += kCells) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + kLanes / 2));
#pragma GCC unroll 6
    for (std::size_t c = 0; c < kCells; ++c) {
      std::int32_t both;
      std::memcpy(&both, &values[c], sizeof both);
      const __m256i value = _mm256_set1_epi32(both);
      low[c] = _mm256_add_epi32(low[c], _mm256_madd_epi16(a, value));
      high[c] = _mm256_add_epi32(high[c], _mm256_madd_epi16(b, value));
    }
  }
#pragma GCC unroll 6
  for (std::size_t c = 0; c < kCells; ++c, sums += pitch) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), low[c]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + kLanes / 2), high[c]);
  }
}
Tile chosen_tile() { return __builtin_cpu_supports("avx2") ? tile_for_avx2 : tile_for_any; }
#else
Tile chosen_tile() { return tile_for_any; }
#endif

/// Units at random, two of each 32 bits: n times a fraction is a unit and another fraction. Uneven by n^2 / 2^32.
class Units {
 public:
  Units(const RandomStream& stream, std::size_t n) : stream_(stream), n_(n) {}

  std::uint32_t next() {
    if (drawn_ % 8 == 0) bits_ = stream_.block(drawn_ / 8);
    std::uint32_t& fraction = bits_[drawn_++ / 2 % 4];
    const std::uint64_t scaled = fraction * n_;
    fraction = static_cast<std::uint32_t>(scaled);
    return static_cast<std::uint32_t>(scaled >> 32);
  }

 private:
  const RandomStream& stream_;
  const std::uint64_t n_;
  std::uint64_t drawn_ = 0;
  std::array<std::uint32_t, 4> bits_{};
};

/// Some of the cells, in sixes, pair by pair; zeros where there is no cell or no unit. A panel is read once for all of them.
class Sixes {
 public:
  Sixes(std::span<const std::int16_t> values_CN, std::size_t n, std::size_t first, std::size_t taken)
      : pairs_((n + 1) / 2), first_(first), taken_(taken), values_((taken + kCells - 1) / kCells * kCells * pairs_) {
    for (std::size_t c = 0; c < taken; ++c)
      for (std::size_t i = 0; i < n; ++i)
        values_[c / kCells * kCells * pairs_ + i / 2 * kCells + c % kCells][i % 2] = values_CN[(first + c) * n + i];
  }

  void sum(Tile product, const Pair* panel, std::size_t width, std::int32_t* sums, std::size_t pitch) const {
    for (std::size_t c = 0; c < taken_; c += kCells) {
      const std::size_t rows = std::min(kCells, taken_ - c);
      std::int32_t* to = sums + (first_ + c) * pitch;
      if (rows == kCells && width == kLanes) {
        product(panel, values_.data() + c * pairs_, pairs_, to, pitch);
        continue;
      }
      std::int32_t block[kCells * kLanes];  // at the rims the product has more than is asked for
      product(panel, values_.data() + c * pairs_, pairs_, block, kLanes);
      for (std::size_t row = 0; row < rows; ++row) std::copy_n(block + row * kLanes, width, to + row * pitch);
    }
  }

 private:
  std::size_t pairs_, first_, taken_;
  std::vector<Pair> values_;
};

}  // namespace

Resamples::Resamples(std::size_t n, std::size_t count, std::uint64_t seed) : n_(n), count_(count) {
  if (n == 0 || n > 32'767) throw std::invalid_argument("resamples need 1 to 32,767 units");
  counts_.resize((count + kPanel - 1) / kPanel * pairs() * kPanel * 2);
  const auto stream = RandomStream(seed).child(purpose("bootstrap")).child(n);
  Units units(stream, n);
  for (std::size_t resample = 0; resample < count; ++resample) {
    std::int16_t* column = counts_.data() + place(resample, 0);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t unit = units.next();
      ++column[unit / 2 * kPanel * 2 + unit % 2];
    }
  }
}

double Resamples::sum(std::size_t resample, std::span<const double> values) const {
  double sum = 0;
  const std::int16_t* column = counts_.data() + place(resample, 0);
  for (std::size_t unit = 0; unit < n_; ++unit) sum += column[unit / 2 * kPanel * 2 + unit % 2] * values[unit];
  return sum;
}

void Resamples::sums(std::span<const std::int16_t> values_CN, std::span<std::int32_t> sums_CR) const {
  const Tile product = chosen_tile();
  const std::size_t cells = values_CN.size() / n_, some = std::max<std::size_t>(1, kNearValues / n_ / kCells) * kCells;
  for (std::size_t first = 0; first < cells; first += some) {
    const Sixes sixes(values_CN, n_, first, std::min(some, cells - first));
    for (std::size_t r = 0; r < count_; r += kPanel)
      sixes.sum(product, reinterpret_cast<const Pair*>(counts_.data()) + r * pairs(), std::min(kPanel, count_ - r), sums_CR.data() + r, count_);
  }
}

}  // namespace palimpsest
