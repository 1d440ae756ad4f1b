#pragma once

// Rows through r <= 16 numbers each, an adapter's forward and backward: what a thread of a GPU does. device_kernels.cu puts
// the threads together, and so does a twin on the host, which tests hold against LibTorch.

#include <cstdint>
#include <type_traits>

#include "runtime/device_elements.h"

namespace palimpsest {

constexpr std::int64_t kMostLowRank = 16;
constexpr int kLanes = 32;                         // of a warp
constexpr int kRowsOfAWarp = 4, kRowsOfAPiece = 32;  // a piece of a run's rows is one block's

/// A matrix of r rows for each run, however it lies: element (k, column) is at k by_rank + column by_column.
struct LowRankFactor {
  const float* of = nullptr;
  std::int64_t by_rank = 0, by_column = 0;
};

/// low = s in first^T, [M, r], which is nowhere but on the chip, and with it one or both of
///   out = sum + low second
///   gradient = low^T against, which lies as second does, a sum over rows in an order that M alone decides.
struct LowRankPass {
  std::int64_t runs = 0, rows = 0, rank = 0, width_in = 0, width_out = 0;
  const float* scale = nullptr;  // [R]
  const float* in = nullptr;     // [R, M, width_in]
  LowRankFactor first, second;   // r x width_in, r x width_out
  const float* sum = nullptr;    // [R, M, width_out]; null: zeros
  float* out = nullptr;          // likewise; null: not wanted
  const float* against = nullptr;
  float* gradient = nullptr;     // [R, r x width_out]; null: not wanted
  float* parts = nullptr;        // [R, pieces, r x width_out], for the gradient's work
};

PALIMPSEST_ELEMENT std::int64_t pieces_of(std::int64_t rows) { return (rows + kRowsOfAPiece - 1) / kRowsOfAPiece; }

/// Calls f with the least of 4, 8 and 16, as a constant, that a rank fits into; what is beyond it is zero.
template <class F>
void with_padded_rank(std::int64_t rank, const F& f) {
  if (rank <= 4) f(std::integral_constant<int, 4>{});
  else if (rank <= 8) f(std::integral_constant<int, 8>{});
  else f(std::integral_constant<int, 16>{});
}

template <int kRank>
PALIMPSEST_ELEMENT void load_column(const LowRankFactor& factor, const float* of_run, std::int64_t rank, std::int64_t column, float (&out)[kRank]) {
  for (int k = 0; k < kRank; ++k) out[k] = k < rank ? of_run[k * factor.by_rank + column * factor.by_column] : 0.0f;
}

/// Of the rows from `first_row`, those columns of the products that are the lane's; the sum over lanes is low / s. Rows
/// beyond the last are its copies.
template <int kRank>
PALIMPSEST_ELEMENT void low_of_lane(const LowRankPass& pass, std::int64_t run, std::int64_t first_row, int lane, float (&low)[kRowsOfAWarp][kRank]) {
  const float* rows[kRowsOfAWarp];
  for (int i = 0; i < kRowsOfAWarp; ++i) {
    const std::int64_t row = first_row + i < pass.rows ? first_row + i : pass.rows - 1;
    rows[i] = pass.in + (run * pass.rows + row) * pass.width_in;
    for (int k = 0; k < kRank; ++k) low[i][k] = 0.0f;
  }
  const float* const of_run = pass.first.of + run * pass.rank * pass.width_in;
  for (std::int64_t column = lane; column < pass.width_in; column += kLanes) {
    float factor[kRank];
    load_column(pass.first, of_run, pass.rank, column, factor);
    for (int i = 0; i < kRowsOfAWarp; ++i) {
      const float x = rows[i][column];
      for (int k = 0; k < kRank; ++k) low[i][k] += x * factor[k];
    }
  }
}

/// One column of what a piece has to give, from the low numbers of its rows.
template <int kRank>
PALIMPSEST_ELEMENT void column_of_piece(const LowRankPass& pass, std::int64_t run, std::int64_t piece, std::int64_t column, const float (*low)[kRank]) {
  const std::int64_t width = pass.width_out, first_row = piece * kRowsOfAPiece, left = pass.rows - first_row;
  const int rows = left < kRowsOfAPiece ? static_cast<int>(left) : kRowsOfAPiece;
  const std::int64_t at = (run * pass.rows + first_row) * width + column, matrix = pass.rank * width;
  if (pass.out) {
    float factor[kRank];
    load_column(pass.second, pass.second.of + run * matrix, pass.rank, column, factor);
    for (int row = 0; row < rows; ++row) {
      float y = 0.0f;
      for (int k = 0; k < kRank; ++k) y += low[row][k] * factor[k];
      pass.out[at + row * width] = pass.sum ? pass.sum[at + row * width] + y : y;
    }
  }
  if (pass.gradient) {
    float sums[kRank] = {};
    for (int row = 0; row < rows; ++row) {
      const float z = pass.against[at + row * width];
      for (int k = 0; k < kRank; ++k) sums[k] += low[row][k] * z;
    }
    float* const part = pass.parts + (run * pieces_of(pass.rows) + piece) * matrix;
    for (int k = 0; k < kRank; ++k)
      if (k < pass.rank) part[k * pass.second.by_rank + column * pass.second.by_column] = sums[k];
  }
}

/// An element of the gradient, counted over all runs: its parts, piece after piece.
PALIMPSEST_ELEMENT void gradient_element(const LowRankPass& pass, std::int64_t element) {
  const std::int64_t matrix = pass.rank * pass.width_out, pieces = pieces_of(pass.rows);
  const float* part = pass.parts + element / matrix * pieces * matrix + element % matrix;
  float sum = 0.0f;
  for (std::int64_t piece = 0; piece < pieces; ++piece) sum += part[piece * matrix];
  pass.gradient[element] = sum;
}

}  // namespace palimpsest
