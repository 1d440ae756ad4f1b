#pragma once

// Inner loops of a network on a CPU: few passes over memory, on plain float arrays. Each row is computed by itself, in
// an order that depends on its width alone, so that a run's bits do not depend on how many rows the others of its pack
// bring.

#include <cstdint>

namespace palimpsest {

/// A matrix of one head of attention: its first row, and the distance between rows.
struct Rows {
  const float* first;
  std::int64_t stride;
};
struct MutableRows {
  float* first;
  std::int64_t stride;
};

/// f(u) = beta max(u - threshold, 0)^p, p = 1 or 2: a neuron's rate at a potential.
struct RateFunction {
  float beta = 1, threshold = 0;
  bool squared = true;
};

struct Kernels {
  // y = x sigmoid(1.702 x), and dx from dy. x, y, dy, dx [rows, width].
  void (*quick_gelu)(const float* x, float* y, std::int64_t rows, std::int64_t width);
  void (*quick_gelu_backward)(const float* x, const float* dy, float* dx, std::int64_t rows, std::int64_t width);

  // y = x Phi(x), Phi the normal distribution to 1.5e-7 (Abramowitz & Stegun 7.1.26).
  void (*gelu)(const float* x, float* y, std::int64_t rows, std::int64_t width);
  void (*gelu_backward)(const float* x, const float* dy, float* dx, std::int64_t rows, std::int64_t width);

  // y = (x - mean) / sqrt(variance + epsilon) * weight + bias over rows of x [rows, width]; `moments` [rows, 2]
  // receives mean and 1 / SD.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float* y, float* moments,
                     std::int64_t rows, std::int64_t width, float epsilon);
  // Adds to d_weight and d_bias [width].
  void (*layer_norm_backward)(const float* x, const float* weight, const float* moments, const float* dy, float* dx,
                              float* d_weight, float* d_bias, std::int64_t rows, std::int64_t width);

  // One head over T tokens of width d: out = (softmax(q k^T / sqrt(d)) * drop) v. `probabilities` [T, T] receives the
  // softmax, or is null; `drop` [T, T] or null.
  void (*attention)(Rows q, Rows k, Rows v, const float* drop, MutableRows out, float* probabilities, std::int64_t T,
                    std::int64_t d);
  void (*attention_backward)(Rows q, Rows k, Rows v, const float* drop, const float* probabilities, Rows d_out,
                             MutableRows dq, MutableRows dk, MutableRows dv, std::int64_t T, std::int64_t d);

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
