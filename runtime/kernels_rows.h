#pragma once

#include <cmath>

#include "runtime/kernels.h"
#include "runtime/kernels_vector.h"

namespace palimpsest {
namespace {

PALIMPSEST_INLINE Vector sigmoid(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

// Phi(x); `density` receives phi(x).
PALIMPSEST_INLINE Vector normal_distribution(Vector x, Vector& density) {
  const Vector z = larger(x, -x) * 0.70710678118654752f;
  const Vector bell = exponential(-z * z);
  const Vector t = 1.0f / (1.0f + 0.3275911f * z);
  const Vector tail = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) *
                      t * bell;  // 1 - erf(z)
  density = 0.39894228040143268f * bell;
  return x < 0.0f ? 0.5f * tail : 1.0f - 0.5f * tail;
}

// y = f(x) over n floats.
template <class F>
PALIMPSEST_INLINE void map_vectors(const float* __restrict x, float* __restrict y, std::int64_t n, const F& f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)));
  if (i < n) store_first(y + i, n - i, f(load_first(x + i, n - i)));
}

// dx = f(x, dy) over n floats.
template <class F>
PALIMPSEST_INLINE void map_vectors(const float* __restrict x, const float* __restrict dy, float* __restrict dx,
                                   std::int64_t n, const F& f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(dx + i, f(load(x + i), load(dy + i)));
  if (i < n) store_first(dx + i, n - i, f(load_first(x + i, n - i), load_first(dy + i, n - i)));
}

}  // namespace

static void quick_gelu(const float* x, float* y, std::int64_t n) {
  map_vectors(x, y, n, [](Vector x) { return x * sigmoid(1.702f * x); });
}

static void quick_gelu_backward(const float* x, const float* dy, float* dx, std::int64_t n) {
  map_vectors(x, dy, dx, n, [](Vector x, Vector dy) {
    const Vector s = sigmoid(1.702f * x);
    return dy * s * (1.0f + 1.702f * x * (1.0f - s));
  });
}

static void gelu(const float* x, float* y, std::int64_t n) {
  map_vectors(x, y, n, [](Vector x) {
    Vector density;
    return x * normal_distribution(x, density);
  });
}

static void gelu_backward(const float* x, const float* dy, float* dx, std::int64_t n) {
  map_vectors(x, dy, dx, n, [](Vector x, Vector dy) {
    Vector density;
    const Vector below = normal_distribution(x, density);
    return dy * (below + x * density);
  });
}

namespace {

// Sum of f(i, n) over a row, n = 8 places from i or the fewer at the end.
template <class F>
PALIMPSEST_INLINE float row_sum(std::int64_t width, const F& f) {
  Vector sums = {};
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) sums += f(i, kLanes);
  if (i < width) sums += f(i, width - i);
  return sum(sums);
}

// x - mean of the first n, 0 behind them.
PALIMPSEST_INLINE Vector centred_first(const float* x, std::int64_t n, float mean) {
  Vector means = {};
  for (std::int64_t i = 0; i < n; ++i) means[i] = mean;
  return load_first(x, n) - means;
}

PALIMPSEST_INLINE Vector load_some(const float* from, std::int64_t n) {
  return n == kLanes ? load(from) : load_first(from, n);
}
PALIMPSEST_INLINE void store_some(float* to, std::int64_t n, Vector v) {
  if (n == kLanes)
    store(to, v);
  else
    store_first(to, n, v);
}

// Calls f(i, n) over a row, as row_sum does.
template <class F>
PALIMPSEST_INLINE void for_row(std::int64_t width, const F& f) {
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) f(i, kLanes);
  if (i < width) f(i, width - i);
}

}  // namespace

static void layer_norm(const float* x, const float* weight, const float* bias, float* y, float* moments,
                       std::int64_t rows, std::int64_t width, float epsilon) {
  const float share = 1.0f / static_cast<float>(width);
  for (std::int64_t row = 0; row < rows; ++row, x += width, y += width, moments += 2) {
    const float mean = share * row_sum(width, [&](std::int64_t i, std::int64_t n) { return load_some(x + i, n); });
    const float variance = share * row_sum(width, [&](std::int64_t i, std::int64_t n) {
                             const Vector centred = n == kLanes ? load(x + i) - mean : centred_first(x + i, n, mean);
                             return centred * centred;
                           });
    const float inverse = 1.0f / std::sqrt(variance + epsilon);
    for_row(width, [&](std::int64_t i, std::int64_t n) {
      const Vector normal = (load_some(x + i, n) - mean) * inverse;
      store_some(y + i, n, normal * load_some(weight + i, n) + load_some(bias + i, n));
    });
    moments[0] = mean;
    moments[1] = inverse;
  }
}

static void layer_norm_backward(const float* x, const float* weight, const float* moments, const float* dy,
                                const float* residual, float* dx, float* d_weight, float* d_bias, std::int64_t rows,
                                std::int64_t width) {
  const float share = 1.0f / static_cast<float>(width);
  for (std::int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width, moments += 2) {
    const float mean = moments[0], inverse = moments[1];
    const auto normal = [&](std::int64_t i, std::int64_t n) { return (load_some(x + i, n) - mean) * inverse; };
    const auto scaled = [&](std::int64_t i, std::int64_t n) { return load_some(dy + i, n) * load_some(weight + i, n); };
    const float mean_scaled = share * row_sum(width, scaled);
    const float mean_product =
        share * row_sum(width, [&](std::int64_t i, std::int64_t n) { return scaled(i, n) * normal(i, n); });
    for_row(width, [&](std::int64_t i, std::int64_t n) {
      const Vector g = load_some(dy + i, n), z = normal(i, n);
      store_some(d_weight + i, n, load_some(d_weight + i, n) + g * z);
      store_some(d_bias + i, n, load_some(d_bias + i, n) + g);
      Vector back = inverse * (g * load_some(weight + i, n) - mean_scaled - z * mean_product);
      if (residual) back += load_some(residual + i, n);
      store_some(dx + i, n, back);
    });
    if (residual) residual += width;
  }
}

static void adamw(float* __restrict value, const float* __restrict gradient, float* __restrict first,
                  float* __restrict second, std::int64_t n, const AdamWStep& step) {
  const auto s = step;
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i];
    const float m = s.beta1 * first[i] + (1.0f - s.beta1) * g;
    const float v = s.beta2 * second[i] + (1.0f - s.beta2) * g * g;
    first[i] = m;
    second[i] = v;
    value[i] = value[i] * s.decay - s.step_size * (m / (std::sqrt(v) * s.inverse_sqrt_correction2 + s.epsilon));
  }
}

static void patches(const float* image, const float* mean, const float* sd, std::int64_t side, std::int64_t patch, float* out) {
  for (std::int64_t y = 0; y + patch <= side; y += patch)
    for (std::int64_t x = 0; x + patch <= side; x += patch)
      for (std::int64_t channel = 0; channel < 3; ++channel)
        for (std::int64_t row = 0; row < patch; ++row, out += patch) {
          const float* from = image + (channel * side + y + row) * side + x;
          for (std::int64_t i = 0; i < patch; ++i) out[i] = (from[i] - mean[channel]) / sd[channel];
        }
}

}  // namespace palimpsest
