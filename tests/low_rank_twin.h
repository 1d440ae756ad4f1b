#pragma once

#include "runtime/device_kernels.h"
#include "runtime/low_rank_pass.h"

namespace palimpsest {

/// The block of threads that computes a piece, on the host: lane by lane, their sums in the order in which a warp adds
/// them, then column by column.
template <int kRank>
void low_rank_piece(const LowRankPass& pass, std::int64_t run, std::int64_t piece) {
  float low[kRowsOfAPiece][kRank];
  for (int row = 0; row < kRowsOfAPiece; row += kRowsOfAWarp) {
    float sums[kLanes][kRowsOfAWarp][kRank];
    for (int lane = 0; lane < kLanes; ++lane) low_of_lane<kRank>(pass, run, piece * kRowsOfAPiece + row, lane, sums[lane]);
    for (int i = 0; i < kRowsOfAWarp; ++i)
      for (int k = 0; k < kRank; ++k) {
        for (int offset = kLanes / 2; offset > 0; offset /= 2)
          for (int lane = 0; lane < offset; ++lane) sums[lane][i][k] += sums[lane + offset][i][k];
        low[row + i][k] = pass.scale[run] * sums[0][i][k];
      }
  }
  for (std::int64_t column = 0; column < pass.width_out; ++column) column_of_piece<kRank>(pass, run, piece, column, low);
}

inline int low_rank_on_host(const LowRankPass& pass, void*) {
  with_padded_rank(pass.rank, [&](auto rank) {
    for (std::int64_t run = 0; run < pass.runs; ++run)
      for (std::int64_t piece = 0; piece < pieces_of(pass.rows); ++piece) low_rank_piece<rank>(pass, run, piece);
  });
  for (std::int64_t i = 0; pass.gradient && i < pass.runs * pass.rank * pass.width_out; ++i) gradient_element(pass, i);
  return 0;
}

/// What device_kernels.cu has, with memory and threads of the host.
inline const DeviceKernels kLowRankTwin{.dropout = nullptr, .adamw = nullptr, .low_rank = low_rank_on_host, .run_here = nullptr, .error_name = nullptr};

}  // namespace palimpsest
