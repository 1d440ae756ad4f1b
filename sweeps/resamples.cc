#include "sweeps/resamples.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

constexpr std::size_t kLanes = 4, kCells = 6;  // 2 x 6 accumulators: what fits into 16 vector registers
constexpr std::size_t kNearValues = 2400;      // of cells that meet a panel together: they stay in the first cache
using Vector = double __attribute__((vector_size(kLanes * sizeof(double)), aligned(8)));

/// sums[c * pitch + 0..8) = sum_i values[i][c] panel[i][0..8) for six cells, whose values lie side by side.
[[gnu::always_inline]] inline void tile(const double* panel, const double* values, std::size_t n, double* sums,
                                        std::size_t pitch) {
  Vector low[kCells] = {}, high[kCells] = {};
  for (std::size_t i = 0; i < n; ++i, panel += 2 * kLanes, values += kCells) {
    Vector a, b;
    std::memcpy(&a, panel, sizeof a);
    std::memcpy(&b, panel + kLanes, sizeof b);
#pragma GCC unroll 6
    for (std::size_t c = 0; c < kCells; ++c) low[c] += a * values[c], high[c] += b * values[c];
  }
#pragma GCC unroll 6
  for (std::size_t c = 0; c < kCells; ++c, sums += pitch) {
    std::memcpy(sums, &low[c], sizeof low[c]);
    std::memcpy(sums + kLanes, &high[c], sizeof high[c]);
  }
}

using Tile = void (*)(const double* panel, const double* values, std::size_t n, double* sums, std::size_t pitch);
void tile_for_any(const double* panel, const double* values, std::size_t n, double* sums, std::size_t pitch) {
  tile(panel, values, n, sums, pitch);
}
#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void tile_for_avx2(const double* panel, const double* values, std::size_t n, double* sums,
                                               std::size_t pitch) {
  tile(panel, values, n, sums, pitch);
}
Tile chosen_tile() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? tile_for_avx2 : tile_for_any;
}
#else
Tile chosen_tile() { return tile_for_any; }
#endif

/// Six cells from `first` on, unit by unit; zeros where there are no more cells.
void interleave(std::span<const double> values_CN, std::size_t n, std::size_t first, double* out) {
  const std::size_t cells = values_CN.size() / n;
  for (std::size_t c = 0; c < kCells; ++c)
    for (std::size_t i = 0; i < n; ++i) out[i * kCells + c] = first + c < cells ? values_CN[(first + c) * n + i] : 0.0;
}

/// Some of the cells, in sixes; a panel is read once for all of them.
class Sixes {
 public:
  Sixes(std::span<const double> values_CN, std::size_t n, std::size_t first, std::size_t taken)
      : n_(n), first_(first), taken_(taken), values_((taken + kCells - 1) / kCells * kCells * n) {
    for (std::size_t c = 0; c < taken; c += kCells) interleave(values_CN, n, first + c, values_.data() + c * n);
  }

  void sum(Tile product, const double* panel, std::size_t width, double* sums, std::size_t pitch) const {
    for (std::size_t c = 0; c < taken_; c += kCells) {
      const std::size_t rows = std::min(kCells, taken_ - c);
      double* to = sums + (first_ + c) * pitch;
      if (rows == kCells && width == 2 * kLanes) {
        product(panel, values_.data() + c * n_, n_, to, pitch);
        continue;
      }
      double block[kCells * 2 * kLanes];  // at the rims the product has more than is asked for
      product(panel, values_.data() + c * n_, n_, block, 2 * kLanes);
      for (std::size_t row = 0; row < rows; ++row) std::copy_n(block + row * 2 * kLanes, width, to + row * pitch);
    }
  }

 private:
  std::size_t n_, first_, taken_;
  std::vector<double> values_;
};

}  // namespace

Resamples::Resamples(std::size_t n, std::size_t count, std::uint64_t seed) : n_(n), count_(count) {
  panels_.resize((count + kPanel - 1) / kPanel * n * kPanel);
  const auto stream = RandomStream(seed).child(purpose("bootstrap")).child(n);
  std::array<std::uint32_t, 4> bits{};
  std::uint64_t draw = 0;
  for (std::size_t resample = 0; resample < count; ++resample) {
    double* column = panels_.data() + resample / kPanel * n * kPanel + resample % kPanel;
    for (std::size_t i = 0; i < n; ++i, ++draw) {
      if (draw % 4 == 0) bits = stream.block(draw / 4);
      column[((std::uint64_t{bits[draw % 4]} * n) >> 32) * kPanel] += 1;  // uneven by n / 2^32
    }
  }
}

double Resamples::drawn(std::size_t resample, std::size_t unit) const {
  return panels_[(resample / kPanel * n_ + unit) * kPanel + resample % kPanel];
}

void Resamples::sums(std::span<const double> values_CN, std::span<double> sums_CR) const {
  const Tile product = chosen_tile();
  const std::size_t cells = values_CN.size() / n_, some = std::max<std::size_t>(1, kNearValues / n_ / kCells) * kCells;
  for (std::size_t first = 0; first < cells; first += some) {
    const Sixes sixes(values_CN, n_, first, std::min(some, cells - first));
    for (std::size_t r = 0; r < count_; r += kPanel)
      sixes.sum(product, panels_.data() + r * n_, std::min(kPanel, count_ - r), sums_CR.data() + r, count_);
  }
}

}  // namespace palimpsest
