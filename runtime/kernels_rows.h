#pragma once

#include <cmath>

#include "runtime/kernels.h"
#include "runtime/kernels_inline.h"

namespace palimpsest {
namespace {

PALIMPSEST_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// Phi(x); `density` receives phi(x).
PALIMPSEST_INLINE float normal_distribution(float x, float& density) {
  const float z = std::fabs(x) * 0.70710678118654752f;
  const float bell = exponential(-z * z);
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  const float tail = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) *
                     t * bell;  // 1 - erf(z)
  density = 0.39894228040143268f * bell;
  return x < 0 ? 0.5f * tail : 1.0f - 0.5f * tail;
}

}  // namespace

static void quick_gelu(const float* __restrict x, float* __restrict y, std::int64_t rows, std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, y += width)
    for (std::int64_t i = 0; i < width; ++i) y[i] = x[i] * sigmoid(1.702f * x[i]);
}

static void quick_gelu_backward(const float* __restrict x, const float* __restrict dy, float* __restrict dx,
                                std::int64_t rows, std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width)
    for (std::int64_t i = 0; i < width; ++i) {
      const float s = sigmoid(1.702f * x[i]);
      dx[i] = dy[i] * s * (1.0f + 1.702f * x[i] * (1.0f - s));
    }
}

static void gelu(const float* __restrict x, float* __restrict y, std::int64_t rows, std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, y += width)
    for (std::int64_t i = 0; i < width; ++i) {
      float density;
      y[i] = x[i] * normal_distribution(x[i], density);
    }
}

static void gelu_backward(const float* __restrict x, const float* __restrict dy, float* __restrict dx,
                          std::int64_t rows, std::int64_t width) {
  for (std::int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width)
    for (std::int64_t i = 0; i < width; ++i) {
      float density;
      const float below = normal_distribution(x[i], density);
      dx[i] = dy[i] * (below + x[i] * density);
    }
}

static void layer_norm(const float* __restrict x, const float* __restrict weight, const float* __restrict bias,
                       float* __restrict y, float* __restrict moments, std::int64_t rows, std::int64_t width,
                       float epsilon) {
  const std::int64_t whole = width / 16 * 16;
  const float share = 1.0f / static_cast<float>(width);
  for (std::int64_t row = 0; row < rows; ++row, x += width, y += width, moments += 2) {
    float lanes[16] = {};
    for (std::int64_t i = 0; i < whole; i += 16)
      for (int j = 0; j < 16; ++j) lanes[j] += x[i + j];
    for (std::int64_t i = whole; i < width; ++i) lanes[i - whole] += x[i];
    const float mean = total(lanes) * share;
    float squares[16] = {};
    for (std::int64_t i = 0; i < whole; i += 16)
      for (int j = 0; j < 16; ++j) squares[j] += (x[i + j] - mean) * (x[i + j] - mean);
    for (std::int64_t i = whole; i < width; ++i) squares[i - whole] += (x[i] - mean) * (x[i] - mean);
    const float inverse = 1.0f / std::sqrt(total(squares) * share + epsilon);
    for (std::int64_t i = 0; i < width; ++i) y[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
    moments[0] = mean;
    moments[1] = inverse;
  }
}

static void layer_norm_backward(const float* __restrict x, const float* __restrict weight,
                                const float* __restrict moments, const float* __restrict dy, float* __restrict dx,
                                float* __restrict d_weight, float* __restrict d_bias, std::int64_t rows,
                                std::int64_t width) {
  const std::int64_t whole = width / 16 * 16;
  const float share = 1.0f / static_cast<float>(width);
  for (std::int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width, moments += 2) {
    const float mean = moments[0], inverse = moments[1];
    float sums[16] = {}, products[16] = {};
    for (std::int64_t i = 0; i < whole; i += 16)
      for (int j = 0; j < 16; ++j) {
        const float g = dy[i + j] * weight[i + j];
        sums[j] += g;
        products[j] += g * ((x[i + j] - mean) * inverse);
      }
    for (std::int64_t i = whole; i < width; ++i) {
      const float g = dy[i] * weight[i];
      sums[i - whole] += g;
      products[i - whole] += g * ((x[i] - mean) * inverse);
    }
    const float mean_g = total(sums) * share, mean_product = total(products) * share;
    for (std::int64_t i = 0; i < width; ++i) {
      const float normal = (x[i] - mean) * inverse;
      d_weight[i] += dy[i] * normal;
      d_bias[i] += dy[i];
      dx[i] = inverse * (dy[i] * weight[i] - mean_g - normal * mean_product);
    }
  }
}

}  // namespace palimpsest
