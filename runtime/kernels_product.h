#pragma once

// Products of matrices: tiles of 6 rows by 16 columns in registers, 12 sums that wait for no one another. Every element
// of a product is summed over k in the same order, wherever it lies in a tile.

#include <algorithm>

#include "runtime/kernels.h"
#include "runtime/kernels_vector.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kRowsAtOnce = kProductRows, kColumnsAtOnce = kProductColumns;
constexpr std::int64_t kDepthAtOnce = 320;  // of a panel and six rows that stay in the first cache

// What becomes of the sums of one tile, at its first row and column.
struct TileFinish {
  const float *bias, *factor, *residual;
  std::int64_t factor_stride, residual_stride;
  float scale;
};

// How a tile ends: with its sums, with bias, or with all that Finish names.
enum class End { kSums, kBias, kAll };

// A function of its own: within the loop over k GCC would keep the sums on the stack, at half the speed.
template <int kVectors>
__attribute__((noinline)) void finish_tile(const float* sums, std::int64_t rows, const TileFinish& f, float* c, std::int64_t c_row) {
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < kVectors * kLanes; column += kLanes, sums += kLanes) {
      Vector sum = load(sums) * f.scale;
      if (f.bias) sum += load(f.bias + column);
      if (f.factor) sum *= load(f.factor + row * f.factor_stride + column);
      if (f.residual) sum += load(f.residual + row * f.residual_stride + column);
      store(c + row * c_row + column, sum);
    }
}

// c[i][j] = sum_k a[i][k] b[k][j] for kRows rows and 8 kVectors columns.
template <int kRows, int kVectors, End kEnd>
PALIMPSEST_INLINE void tile(const float* __restrict a, std::int64_t a_row, std::int64_t a_column,
                            const float* __restrict b, std::int64_t b_row, std::int64_t depth, bool begins,
                            const TileFinish& finish, float* c, std::int64_t c_row) {
  Vector sums[kRows][kVectors] = {};
  if (!begins)
    for (int i = 0; i < kRows; ++i)
      for (int v = 0; v < kVectors; ++v) sums[i][v] = load(c + i * c_row + v * kLanes);
#pragma GCC unroll 4
  for (std::int64_t k = 0; k < depth; ++k, a += a_column, b += b_row) {
    Vector right[kVectors];
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const Vector left = all(a[i * a_row]);
      for (int v = 0; v < kVectors; ++v) sums[i][v] += left * right[v];
    }
  }
  if constexpr (kEnd == End::kAll) {
    alignas(32) float made[kRows * kVectors * kLanes];
    for (int i = 0; i < kRows; ++i)
      for (int v = 0; v < kVectors; ++v) store(made + (i * kVectors + v) * kLanes, sums[i][v]);
    return finish_tile<kVectors>(made, kRows, finish, c, c_row);
  }
  for (int i = 0; i < kRows; ++i)
    for (int v = 0; v < kVectors; ++v)
      store(c + i * c_row + v * kLanes, kEnd == End::kBias ? sums[i][v] + load(finish.bias + v * kLanes) : sums[i][v]);
}

template <int kVectors, End kEnd>
PALIMPSEST_INLINE void few_rows(std::int64_t rows, const float* a, std::int64_t a_row, std::int64_t a_column,
                                const float* b, std::int64_t b_row, std::int64_t depth, bool begins,
                                const TileFinish& finish, float* c, std::int64_t c_row) {
  switch (rows) {
    case 1:
      return tile<1, kVectors, kEnd>(a, a_row, a_column, b, b_row, depth, begins, finish, c, c_row);
    case 2:
      return tile<2, kVectors, kEnd>(a, a_row, a_column, b, b_row, depth, begins, finish, c, c_row);
    case 3:
      return tile<3, kVectors, kEnd>(a, a_row, a_column, b, b_row, depth, begins, finish, c, c_row);
    case 4:
      return tile<4, kVectors, kEnd>(a, a_row, a_column, b, b_row, depth, begins, finish, c, c_row);
    case 5:
      return tile<5, kVectors, kEnd>(a, a_row, a_column, b, b_row, depth, begins, finish, c, c_row);
  }
}

// A part of a product: all rows of a panel's columns [column, column + 8 or 16) and k in [from, from + depth).
struct Part {
  std::int64_t M, column, from, depth;
};

TileFinish finish_at(const Finish& f, std::int64_t row, std::int64_t column) {
  const auto at = [&](RowView rows) { return rows.first ? rows.first + row * rows.stride + column : nullptr; };
  return {
      f.bias ? f.bias + column : nullptr, at(f.factor), at(f.residual), f.factor.stride, f.residual.stride, f.scale};
}

template <int kVectors, End kEnd>
void product_of_panel(const LeftFactor& a, const RightFactor& b, const Finish& finish, MutableRowView c, const Part& part) {
  const float* panel =
      b.first + part.column / kColumnsAtOnce * b.panel_stride + part.column % kColumnsAtOnce + part.from * b.row_stride;
  const float* left = a.first + part.from * a.column_stride;
  float* out = c.first + part.column;
  const bool begins = part.from == 0;
  auto at = finish_at(finish, 0, part.column);
  std::int64_t i = 0;
  for (; i + kRowsAtOnce <= part.M; i += kRowsAtOnce) {
    tile<kRowsAtOnce, kVectors, kEnd>(left, a.row_stride, a.column_stride, panel, b.row_stride, part.depth, begins, at,
                                      out, c.stride);
    left += a.six_stride;
    out += kRowsAtOnce * c.stride;
    if (kEnd == End::kAll) at = finish_at(finish, i + kRowsAtOnce, part.column);
  }
  few_rows<kVectors, kEnd>(part.M - i, left, a.row_stride, a.column_stride, panel, b.row_stride, part.depth, begins, at,
                           out, c.stride);
}

// Columns [column, N), fewer than 8: the last ones of an odd width.
void last_columns(const LeftFactor& a, const RightFactor& b, const Finish& finish, MutableRowView c, const Part& part,
                  std::int64_t N) {
  const float* panel =
      b.first + part.column / kColumnsAtOnce * b.panel_stride + part.column % kColumnsAtOnce + part.from * b.row_stride;
  for (std::int64_t i = 0; i < part.M; ++i) {
    const float* left =
        a.first + i / kRowsAtOnce * a.six_stride + i % kRowsAtOnce * a.row_stride + part.from * a.column_stride;
    for (std::int64_t j = 0; j < N - part.column; ++j) {
      float& out = c.first[i * c.stride + part.column + j];
      float sum = part.from == 0 ? 0.0f : out;
      for (std::int64_t k = 0; k < part.depth; ++k) sum += left[k * a.column_stride] * panel[k * b.row_stride + j];
      const auto f = finish_at(finish, i, part.column + j);
      sum = (sum * f.scale + (f.bias ? *f.bias : 0.0f)) * (f.factor ? *f.factor : 1.0f) +
            (f.residual ? *f.residual : 0.0f);
      out = sum;
    }
  }
}

template <End kEnd>
void product_part(const LeftFactor& a, const RightFactor& b, const Finish& finish, MutableRowView c, Part part, std::int64_t N) {
  for (; part.column + kColumnsAtOnce <= N; part.column += kColumnsAtOnce)
    product_of_panel<2, kEnd>(a, b, finish, c, part);
  if (part.column + kLanes <= N) {
    product_of_panel<1, kEnd>(a, b, finish, c, part);
    part.column += kLanes;
  }
  if (part.column < N) last_columns(a, b, kEnd == End::kSums ? Finish{} : finish, c, part, N);
}

}  // namespace

static void product(const LeftFactor& a, const RightFactor& b, const Finish& finish, MutableRowView c, std::int64_t M, std::int64_t N,
                    std::int64_t K) {
  const std::int64_t parts = std::max<std::int64_t>(1, (K + kDepthAtOnce - 1) / kDepthAtOnce);
  const std::int64_t depth = (K + parts - 1) / parts;
  for (std::int64_t part = 0; part + 1 < parts; ++part)
    product_part<End::kSums>(a, b, finish, c, {M, 0, part * depth, depth}, N);
  const Part last{M, 0, (parts - 1) * depth, K - (parts - 1) * depth};
  const bool more = finish.factor.first || finish.residual.first || finish.scale != 1.0f;
  if (more)
    product_part<End::kAll>(a, b, finish, c, last, N);
  else if (finish.bias)
    product_part<End::kBias>(a, b, finish, c, last, N);
  else
    product_part<End::kSums>(a, b, finish, c, last, N);
}

static void right_of_rows(RowView from, std::int64_t K, std::int64_t N, float* panels) {
  for (std::int64_t j = 0; j < N; j += kColumnsAtOnce) {
    const std::int64_t columns = std::min(kColumnsAtOnce, N - j);
    const float* row = from.first + j;
    for (std::int64_t k = 0; k < K; ++k, row += from.stride, panels += kColumnsAtOnce) {
      if (columns == kColumnsAtOnce) {
        store(panels, load(row)), store(panels + kLanes, load(row + kLanes));
        continue;
      }
      std::copy(row, row + columns, panels);
      std::fill(panels + columns, panels + kColumnsAtOnce, 0.0f);
    }
  }
}

// Columns [0, 8) of a panel from `columns` rows of the transposed matrix.
PALIMPSEST_INLINE void half_panel(const float* rows, std::int64_t stride, std::int64_t columns, std::int64_t K,
                                  float* panel) {
  std::int64_t k = 0;
  for (; columns >= kLanes && k + kLanes <= K; k += kLanes) {
    Vector block[8];
    for (int i = 0; i < 8; ++i) block[i] = load(rows + i * stride + k);
    transpose(block);
    for (int i = 0; i < 8; ++i) store(panel + (k + i) * kColumnsAtOnce, block[i]);
  }
  for (; k < K; ++k)
    for (std::int64_t j = 0; j < kLanes; ++j) panel[k * kColumnsAtOnce + j] = j < columns ? rows[j * stride + k] : 0.0f;
}

static void right_of_transposed(RowView from, std::int64_t K, std::int64_t N, float* panels) {
  for (std::int64_t j = 0; j < N; j += kColumnsAtOnce, panels += K * kColumnsAtOnce)
    for (std::int64_t half = 0; half < kColumnsAtOnce; half += kLanes)
      half_panel(from.first + (j + half) * from.stride, from.stride, std::min(kLanes, N - j - half), K, panels + half);
}

static void left_of_transposed(RowView from, std::int64_t M, std::int64_t K, float* sixes) {
  for (std::int64_t i = 0; i < M; i += kRowsAtOnce) {
    const std::int64_t rows = std::min(kRowsAtOnce, M - i);
    for (std::int64_t k = 0; k < K; ++k, sixes += kRowsAtOnce) {
      const float* row = from.first + k * from.stride + i;
      if (M - i >= kLanes && k + 2 < K) {
        store(sixes, load(row));  // the last two are written over by the next six
        continue;
      }
      std::copy(row, row + rows, sixes);
      std::fill(sixes + rows, sixes + kRowsAtOnce, 0.0f);
    }
  }
}

static void column_sums(RowView x, std::int64_t rows, std::int64_t width, float* sums) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* from = x.first + row * x.stride;
    for (std::int64_t i = 0; i < width; ++i) sums[i] += from[i];
  }
}

}  // namespace palimpsest
