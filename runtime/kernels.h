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
};

/// The kernels for the processor this runs on: compiled once for AVX2 and FMA, once for any.
const Kernels& kernels();

}  // namespace palimpsest
