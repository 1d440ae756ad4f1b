#pragma once

// Attention of one head in the cache. T tokens, d width; Tp and dp are those rounded up to 16, so that every product
// runs over whole vectors.

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/kernels.h"
#include "runtime/kernels_inline.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kLanes = 16, kRowsAtOnce = 6;

std::int64_t padded(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// c[i][j] = sum_k a(i, k) b[k][j] for kCount rows i and 16 columns j; a(i, k) is a[i * a_row + k * a_column].
template <int kCount>
PALIMPSEST_INLINE void tile(const float* a, std::int64_t a_row, std::int64_t a_column, const float* b,
                            std::int64_t b_stride, float* c, std::int64_t c_stride, std::int64_t K) {
  Vector low[kCount] = {}, high[kCount] = {};
  for (std::int64_t k = 0; k < K; ++k, a += a_column, b += b_stride) {
    const Vector left = *reinterpret_cast<const Vector*>(b), right = *reinterpret_cast<const Vector*>(b + 8);
    for (int i = 0; i < kCount; ++i) {
      low[i] += a[i * a_row] * left;
      high[i] += a[i * a_row] * right;
    }
  }
  for (int i = 0; i < kCount; ++i) {
    *reinterpret_cast<Vector*>(c + i * c_stride) = low[i];
    *reinterpret_cast<Vector*>(c + i * c_stride + 8) = high[i];
  }
}

// C [M, N] = A [M, K] B [K, N], N a multiple of 16; A row-major, or, where a_column is its stride, transposed.
PALIMPSEST_INLINE void product(const float* a, std::int64_t a_row, std::int64_t a_column, const float* b,
                               std::int64_t b_stride, float* c, std::int64_t c_stride, std::int64_t M, std::int64_t N,
                               std::int64_t K) {
  std::int64_t i = 0;
  for (; i + kRowsAtOnce <= M; i += kRowsAtOnce)
    for (std::int64_t j = 0; j < N; j += kLanes)
      tile<kRowsAtOnce>(a + i * a_row, a_row, a_column, b + j, b_stride, c + i * c_stride + j, c_stride, K);
  for (; i < M; ++i)
    for (std::int64_t j = 0; j < N; j += kLanes)
      tile<1>(a + i * a_row, a_row, a_column, b + j, b_stride, c + i * c_stride + j, c_stride, K);
}

// Rows of width d into rows of width dp, zeros behind, times a factor.
PALIMPSEST_INLINE void pack(Rows from, float* to, std::int64_t T, std::int64_t d, std::int64_t dp, float factor) {
  for (std::int64_t i = 0; i < T; ++i) {
    for (std::int64_t c = 0; c < d; ++c) to[i * dp + c] = from.first[i * from.stride + c] * factor;
    for (std::int64_t c = d; c < dp; ++c) to[i * dp + c] = 0;
  }
}

PALIMPSEST_INLINE void pack_transposed(Rows from, float* to, std::int64_t T, std::int64_t d, std::int64_t Tp) {
  for (std::int64_t c = 0; c < d; ++c) {
    for (std::int64_t i = 0; i < T; ++i) to[c * Tp + i] = from.first[i * from.stride + c];
    for (std::int64_t i = T; i < Tp; ++i) to[c * Tp + i] = 0;
  }
}

PALIMPSEST_INLINE void unpack(const float* from, MutableRows to, std::int64_t T, std::int64_t d, std::int64_t dp,
                              float factor) {
  for (std::int64_t i = 0; i < T; ++i)
    for (std::int64_t c = 0; c < d; ++c) to.first[i * to.stride + c] = from[i * dp + c] * factor;
}

// In place over rows of `scores` [T, Tp]; what lies beyond T becomes 0.
PALIMPSEST_INLINE void softmax_rows(float* scores, std::int64_t T, std::int64_t Tp) {
  for (std::int64_t i = 0; i < T; ++i, scores += Tp) {
    for (std::int64_t j = T; j < Tp; ++j) scores[j] = -3.0e38f;
    float largest[16];
    for (int l = 0; l < 16; ++l) largest[l] = scores[l];
    for (std::int64_t j = 16; j < Tp; j += 16)
      for (int l = 0; l < 16; ++l) largest[l] = largest[l] > scores[j + l] ? largest[l] : scores[j + l];
    float top = largest[0];
    for (int l = 1; l < 16; ++l) top = top > largest[l] ? top : largest[l];
    for (std::int64_t j = 0; j < Tp; ++j) scores[j] = exponential(scores[j] - top);
    for (std::int64_t j = T; j < Tp; ++j) scores[j] = 0;
    float lanes[16] = {};
    for (std::int64_t j = 0; j < Tp; j += 16)
      for (int l = 0; l < 16; ++l) lanes[l] += scores[j + l];
    const float inverse = 1.0f / total(lanes);
    for (std::int64_t j = 0; j < Tp; ++j) scores[j] *= inverse;
  }
}

// Room for the matrices of one head, kept from call to call.
float* room(std::int64_t floats) {
  static thread_local std::vector<float> buffer;
  if (static_cast<std::int64_t>(buffer.size()) < floats) buffer.resize(static_cast<std::size_t>(floats));
  return buffer.data();
}

}  // namespace

static void attention(Rows q, Rows k, Rows v, const float* drop, MutableRows out, float* probabilities, std::int64_t T,
                      std::int64_t d) {
  const std::int64_t Tp = padded(T), dp = padded(d);
  float* packed_q = room(3 * T * dp + d * Tp + T * Tp);
  float *packed_v = packed_q + T * dp, *result = packed_v + T * dp, *k_transposed = result + T * dp,
        *weights = k_transposed + d * Tp;
  pack(q, packed_q, T, d, dp, 1.0f / std::sqrt(static_cast<float>(d)));
  pack(v, packed_v, T, d, dp, 1.0f);
  pack_transposed(k, k_transposed, T, d, Tp);
  product(packed_q, dp, 1, k_transposed, Tp, weights, Tp, T, Tp, d);
  softmax_rows(weights, T, Tp);
  if (probabilities)
    for (std::int64_t i = 0; i < T; ++i)
      for (std::int64_t j = 0; j < T; ++j) probabilities[i * T + j] = weights[i * Tp + j];
  if (drop)
    for (std::int64_t i = 0; i < T; ++i)
      for (std::int64_t j = 0; j < T; ++j) weights[i * Tp + j] *= drop[i * T + j];
  product(weights, Tp, 1, packed_v, dp, result, dp, T, dp, T);
  unpack(result, out, T, d, dp, 1.0f);
}

static void attention_backward(Rows q, Rows k, Rows v, const float* drop, const float* probabilities, Rows d_out,
                               MutableRows dq, MutableRows dk, MutableRows dv, std::int64_t T, std::int64_t d) {
  const std::int64_t Tp = padded(T), dp = padded(d);
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  float* packed_q = room(4 * T * dp + d * Tp + 2 * T * Tp);
  float *packed_k = packed_q + T * dp, *packed_d_out = packed_k + T * dp, *result = packed_d_out + T * dp,
        *v_transposed = result + T * dp;
  float *weights = v_transposed + d * Tp, *d_scores = weights + T * Tp;
  pack(q, packed_q, T, d, dp, 1.0f);
  pack(k, packed_k, T, d, dp, 1.0f);
  pack(d_out, packed_d_out, T, d, dp, 1.0f);
  pack_transposed(v, v_transposed, T, d, Tp);
  for (std::int64_t i = 0; i < T; ++i)
    for (std::int64_t j = 0; j < T; ++j)
      weights[i * Tp + j] = drop ? probabilities[i * T + j] * drop[i * T + j] : probabilities[i * T + j];
  product(weights, 1, Tp, packed_d_out, dp, result, dp, T, dp, T);  // dV = (P drop)^T dO
  unpack(result, dv, T, d, dp, 1.0f);
  product(packed_d_out, dp, 1, v_transposed, Tp, d_scores, Tp, T, Tp, d);  // d(P drop) = dO V^T
  for (std::int64_t i = 0; i < T; ++i) {
    float* row = d_scores + i * Tp;
    const float* p = probabilities + i * T;
    if (drop)
      for (std::int64_t j = 0; j < T; ++j) row[j] *= drop[i * T + j];
    float lanes[16] = {};
    const std::int64_t whole = T / 16 * 16;
    for (std::int64_t j = 0; j < whole; j += 16)
      for (int l = 0; l < 16; ++l) lanes[l] += row[j + l] * p[j + l];
    for (std::int64_t j = whole; j < T; ++j) lanes[j - whole] += row[j] * p[j];
    const float sum = total(lanes);
    for (std::int64_t j = 0; j < T; ++j) row[j] = p[j] * (row[j] - sum);
  }
  product(d_scores, Tp, 1, packed_k, dp, result, dp, T, dp, T);  // dQ = dS K / sqrt(d)
  unpack(result, dq, T, d, dp, scale);
  product(d_scores, 1, Tp, packed_q, dp, result, dp, T, dp, T);  // dK = dS^T Q / sqrt(d)
  unpack(result, dk, T, d, dp, scale);
}

}  // namespace palimpsest
