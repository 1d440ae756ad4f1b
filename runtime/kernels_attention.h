#pragma once

// Attention of one head in the cache. T tokens, d width; Tp is T rounded up to whole vectors.

#include <cmath>
#include <vector>

#include "runtime/kernels.h"
#include "runtime/kernels_product.h"

namespace palimpsest {
namespace {

std::int64_t whole_vectors(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// The last vector of a row, of which the first T % 8 count; the others take the place of nothing.
PALIMPSEST_INLINE Vector last_of_row(const float* row, std::int64_t T, std::int64_t Tp) {
  const Integers place = {0, 1, 2, 3, 4, 5, 6, 7};
  return place < static_cast<std::int32_t>(T - (Tp - kLanes)) ? load(row + Tp - kLanes) : all(-3.0e38f);
}

// Rows of scores [rows, Tp] to e^(factor * (score - largest of the row)), in place; `inverse` [rows] receives 1 / sum.
// What lies beyond T becomes next to nothing.
PALIMPSEST_INLINE void exponentials(float* scores, float factor, float* inverse, std::int64_t rows, std::int64_t T,
                                    std::int64_t Tp) {
  for (std::int64_t i = 0; i < rows; ++i, scores += Tp) {
    const Vector last = last_of_row(scores, T, Tp);
    Vector tops = last;
    for (std::int64_t j = 0; j < Tp - kLanes; j += kLanes) tops = larger(load(scores + j), tops);
    const Vector top = all(factor * largest(tops));
    Vector sums = exponential(last * factor - top);
    store(scores + Tp - kLanes, sums);
    for (std::int64_t j = 0; j < Tp - kLanes; j += kLanes) {
      const Vector e = exponential(load(scores + j) * factor - top);
      sums += e;
      store(scores + j, e);
    }
    inverse[i] = 1.0f / sum(sums);
  }
}

// to [rows, T] = rows of `from` [rows, Tp] times the row's factor.
PALIMPSEST_INLINE void scaled_rows(const float* from, const float* factors, float* to, std::int64_t rows,
                                   std::int64_t T, std::int64_t Tp) {
  for (std::int64_t i = 0; i < rows; ++i, from += Tp, to += T) {
    const float factor = factors[i];
    for (std::int64_t j = 0; j < T; ++j) to[j] = from[j] * factor;
  }
}

// Rows of x [rows, Tp] times rows of a factor [rows, T].
PALIMPSEST_INLINE void times(float* __restrict x, const float* __restrict factor, std::int64_t rows, std::int64_t T,
                             std::int64_t Tp) {
  for (std::int64_t i = 0; i < rows; ++i, x += Tp, factor += T)
    for (std::int64_t j = 0; j < T; ++j) x[j] *= factor[j];
}

// d_scores [T, Tp], which holds the gradient of the weights, becomes that of the scores: factor p (g - sum p g).
PALIMPSEST_INLINE void softmax_backward(float* __restrict d_scores, const float* __restrict p, float factor,
                                        std::int64_t T, std::int64_t Tp) {
  const std::int64_t whole = T / kLanes * kLanes;
  for (std::int64_t i = 0; i < T; ++i, d_scores += Tp, p += T) {
    Vector sums = {};
    for (std::int64_t j = 0; j < whole; j += kLanes) sums += load(d_scores + j) * load(p + j);
    float total = sum(sums);
    for (std::int64_t j = whole; j < T; ++j) total += d_scores[j] * p[j];
    for (std::int64_t j = 0; j < T; ++j) d_scores[j] = factor * p[j] * (d_scores[j] - total);
  }
}

// Room for the matrices of one head, kept from call to call.
float* room(std::int64_t floats) {
  static thread_local std::vector<float> buffer;
  if (static_cast<std::int64_t>(buffer.size()) < floats) buffer.resize(static_cast<std::size_t>(floats));
  return buffer.data();
}

}  // namespace

static void attention(RowView q, RowView k, RowView v, const float* drop, MutableRowView out, float* probabilities,
                      std::int64_t queries, std::int64_t T, std::int64_t d) {
  const std::int64_t Tp = whole_vectors(T), panels = size_of_panels(d, T);
  float* k_transposed = room(panels + queries * (Tp + 1));
  float *weights = k_transposed + panels, *inverse = weights + queries * Tp;
  right_of_transposed(k, d, T, k_transposed);
  product(left_of(q.first, q.stride), right_of_panels(k_transposed, d), {}, {weights, Tp}, queries, Tp, d);
  exponentials(weights, 1.0f / std::sqrt(static_cast<float>(d)), inverse, queries, T, Tp);
  if (probabilities) scaled_rows(weights, inverse, probabilities, queries, T, Tp);
  if (drop) times(weights, drop, queries, T, Tp);
  product(left_of(weights, Tp), right_of(v), {}, out, queries, d, T);
  for (std::int64_t i = 0; i < queries; ++i)
    for (std::int64_t c = 0; c < d; ++c) out.first[i * out.stride + c] *= inverse[i];
}

static void attention_backward(RowView q, RowView k, RowView v, const float* drop, const float* probabilities, RowView d_out,
                               MutableRowView dq, MutableRowView dk, MutableRowView dv, std::int64_t T, std::int64_t d) {
  const std::int64_t Tp = whole_vectors(T), panels = size_of_panels(d, T);
  float* v_transposed = room(panels + 2 * T * Tp);
  float *weights = v_transposed + panels, *d_scores = weights + T * Tp;
  right_of_transposed(v, d, T, v_transposed);
  for (std::int64_t i = 0; i < T; ++i)
    for (std::int64_t j = 0; j < T; ++j) weights[i * Tp + j] = probabilities[i * T + j];
  if (drop) times(weights, drop, T, T, Tp);
  product({weights, 1, Tp, kProductRows}, right_of(d_out), {}, dv, T, d, T);  // dV = (P drop)^T dO
  product(left_of(d_out.first, d_out.stride), right_of_panels(v_transposed, d), {}, {d_scores, Tp}, T, Tp, d);
  if (drop) times(d_scores, drop, T, T, Tp);
  softmax_backward(d_scores, probabilities, 1.0f / std::sqrt(static_cast<float>(d)), T, Tp);
  product(left_of(d_scores, Tp), right_of(k), {}, dq, T, d, T);            // dQ = dS K / sqrt(d)
  product({d_scores, 1, Tp, kProductRows}, right_of(q), {}, dk, T, d, T);  // dK = dS^T Q / sqrt(d)
}

}  // namespace palimpsest
