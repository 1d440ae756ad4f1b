#pragma once

// Inner loops of a network on a CPU: few passes over memory, on plain float arrays. Each row is computed by itself, in
// an order that depends on its width alone, so that a run's bits do not depend on how many rows the others of its pack
// bring.

#include <cstdint>

#include "runtime/adamw_step.h"

namespace palimpsest {

/// A matrix of one head of attention: its first row, and the distance between rows.
struct RowView {
  const float* first;
  std::int64_t stride;
};
struct MutableRowView {
  float* first;
  std::int64_t stride;
};

/// f(u) = beta max(u - threshold, 0)^p, p = 1 or 2: a neuron's rate at a potential.
struct RateFunction {
  float beta = 1, threshold = 0;
  bool squared = true;
};

/// What a product reads on its left, [M, K]: element (i, k) lies at first[i / 6 * six_stride + i % 6 * row_stride + k *
/// column_stride].
struct LeftFactor {
  const float* first;
  std::int64_t row_stride, column_stride, six_stride;
};
/// What it reads on its right, [K, N]: element (k, j) lies at first[j / 16 * panel_stride + k * row_stride + j % 16].
struct RightFactor {
  const float* first;
  std::int64_t row_stride, panel_stride;
};
constexpr std::int64_t kProductRows = 6, kProductColumns = 16;

inline LeftFactor left_of(const float* first, std::int64_t stride) { return {first, stride, 1, kProductRows * stride}; }
inline LeftFactor left_of_sixes(const float* first, std::int64_t K) { return {first, 1, kProductRows, kProductRows * K}; }
inline RightFactor right_of(RowView rows) { return {rows.first, rows.stride, kProductColumns}; }
inline RightFactor right_of_panels(const float* first, std::int64_t K) {
  return {first, kProductColumns, kProductColumns * K};
}
/// Floats that right_of_rows and right_of_transposed fill, and left_of_transposed.
inline std::int64_t size_of_panels(std::int64_t K, std::int64_t N) {
  return (N + kProductColumns - 1) / kProductColumns * kProductColumns * K;
}
inline std::int64_t size_of_sixes(std::int64_t M, std::int64_t K) {
  return (M + kProductRows - 1) / kProductRows * kProductRows * K;
}

/// What becomes of the sums: residual + factor * (scale * sum + bias), bias [N], the others [M, N]; each may be absent.
struct Finish {
  const float* bias = nullptr;
  RowView factor = {nullptr, 0}, residual = {nullptr, 0};
  float scale = 1;
};

struct Kernels {
  // c [M, N] = a [M, K] b [K, N], finished. A residual may be c itself where K is at most 320.
  void (*product)(const LeftFactor& a, const RightFactor& b, const Finish& finish, MutableRowView c, std::int64_t M, std::int64_t N,
                  std::int64_t K);
  // Copies that a product reads fastest: of rows [K, N]; of rows [N, K], transposed; of rows [K, M], transposed.
  void (*right_of_rows)(RowView from, std::int64_t K, std::int64_t N, float* panels);
  void (*right_of_transposed)(RowView from, std::int64_t K, std::int64_t N, float* panels);
  void (*left_of_transposed)(RowView from, std::int64_t M, std::int64_t K, float* sixes);
  // Adds the rows of x to sums [width].
  void (*column_sums)(RowView x, std::int64_t rows, std::int64_t width, float* sums);

  // y = x sigmoid(1.702 x), and dx from dy, over n floats. Forward may be in place.
  void (*quick_gelu)(const float* x, float* y, std::int64_t n);
  void (*quick_gelu_backward)(const float* x, const float* dy, float* dx, std::int64_t n);

  // y = x Phi(x), Phi the normal distribution to 1.5e-7 (Abramowitz & Stegun 7.1.26).
  void (*gelu)(const float* x, float* y, std::int64_t n);
  void (*gelu_backward)(const float* x, const float* dy, float* dx, std::int64_t n);

  // y = (x - mean) / sqrt(variance + epsilon) * weight + bias over rows of x [rows, width]; `moments` [rows, 2]
  // receives mean and 1 / SD.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float* y, float* moments,
                     std::int64_t rows, std::int64_t width, float epsilon);
  // dx = residual (where not null) + what dy passes back; adds to d_weight and d_bias [width].
  void (*layer_norm_backward)(const float* x, const float* weight, const float* moments, const float* dy,
                              const float* residual, float* dx, float* d_weight, float* d_bias, std::int64_t rows,
                              std::int64_t width);

  // One head of width d, the first `queries` of T tokens asking all: out [queries, d] = (softmax(q k^T / sqrt(d)) * drop)
  // v. `probabilities` [queries, T] receives the softmax, or is null; `drop` [queries, T] or null.
  void (*attention)(RowView q, RowView k, RowView v, const float* drop, MutableRowView out, float* probabilities,
                    std::int64_t queries, std::int64_t T, std::int64_t d);
  void (*attention_backward)(RowView q, RowView k, RowView v, const float* drop, const float* probabilities, RowView d_out,
                             MutableRowView dq, MutableRowView dk, MutableRowView dv, std::int64_t T, std::int64_t d);

  // out[i] = 0 where the i-th 16 bits of a stream lie below the threshold, else `kept`.
  void (*dropout)(std::uint64_t key, std::uint32_t threshold, float kept, float* out, std::int64_t n);

  // One pass over memory: value, gradient and both moments are read once, and all but the gradient written once.
  void (*adamw)(float* value, const float* gradient, float* first, float* second, std::int64_t n,
                const AdamWStep& step);

  // patches [side / patch squared, 3, patch, patch] of an image [3, side, side]: (image - mean) / sd of its channel.
  void (*patches)(const float* image, const float* mean, const float* sd, std::int64_t side, std::int64_t patch, float* out);

  // A circuit of neurons on a grid. Columns are stimuli side by side: 1, or a multiple of 16.
  // y [rows, columns] += w x over `count` active inputs: w[row * stride + active[j] - first], x at row active[j].
  void (*sparse_products)(const float* w, std::int64_t stride, const float* x, const std::int32_t* active,
                          std::int64_t count, std::int64_t first, float* y, std::int64_t rows, std::int64_t columns);
  // The rows of rates x >= 0 that are not all zero, in order; room for `rows` and one more. Returns how many.
  std::int64_t (*active_rows)(const float* x, std::int64_t rows, std::int64_t columns, std::int32_t* active);
  // What one neuron firing at `from` gives to its neighbourhood: sums += w from. w [rows, width]; rows of sums (of
  // gain, of keep) lie `pitch` apart. The second also learns, w = keep w + gain from within [0, bound], after it gave.
  void (*spread)(const float* w, float from, float* sums, std::int64_t rows, std::int64_t width, std::int64_t pitch);
  void (*spread_and_learn)(float* w, float from, const float* gain, const float* keep, float bound, float* sums,
                           std::int64_t rows, std::int64_t width, std::int64_t pitch);
  // u = max(0, u + share (sums - u)) and its rates.
  void (*relax)(float* u, const float* sums, float share, RateFunction f, float* rates, std::int64_t n);
  void (*add)(float* y, const float* x, std::int64_t n);  // y += x
  // y = weight (y + sum of x over the features of the position - x); x, y [positions, features, columns].
  void (*add_own_position)(const float* x, float weight, float* y, std::int64_t positions, std::int64_t features,
                           std::int64_t columns);
  void (*column_means)(const float* x, float* means, std::int64_t rows, std::int64_t columns);
  void (*less_columns)(const float* x, const float* columns_off, float* y, std::int64_t rows, std::int64_t columns);
};

/// The kernels for the processor this runs on: compiled once for AVX2 and FMA, once for any.
const Kernels& kernels();

}  // namespace palimpsest
