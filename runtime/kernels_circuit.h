#pragma once

#include "runtime/kernels.h"
#include "runtime/kernels_inline.h"

namespace palimpsest {
namespace {

// `kCount` rows of 16 columns, kept in registers over all inputs.
template <int kCount>
PALIMPSEST_INLINE void sparse_tile(const float* w, std::int64_t stride, const float* x, const std::int32_t* active,
                                   std::int64_t count, std::int64_t first, float* y, std::int64_t columns) {
  Vector low[kCount], high[kCount];
  for (int t = 0; t < kCount; ++t) {
    low[t] = *reinterpret_cast<const Vector*>(y + t * columns);
    high[t] = *reinterpret_cast<const Vector*>(y + t * columns + 8);
  }
  for (std::int64_t j = 0; j < count; ++j) {
    const std::int64_t input = active[j];
    const Vector left = *reinterpret_cast<const Vector*>(x + input * columns),
                 right = *reinterpret_cast<const Vector*>(x + input * columns + 8);
    for (int t = 0; t < kCount; ++t) {
      low[t] += w[t * stride + input - first] * left;
      high[t] += w[t * stride + input - first] * right;
    }
  }
  for (int t = 0; t < kCount; ++t) {
    *reinterpret_cast<Vector*>(y + t * columns) = low[t];
    *reinterpret_cast<Vector*>(y + t * columns + 8) = high[t];
  }
}

}  // namespace

static void sparse_products(const float* w, std::int64_t stride, const float* x, const std::int32_t* active,
                            std::int64_t count, std::int64_t first, float* y, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; c += 16) {
    std::int64_t row = 0;
    for (; row + 4 <= rows; row += 4)
      sparse_tile<4>(w + row * stride, stride, x + c, active, count, first, y + row * columns + c, columns);
    for (; row < rows; ++row)
      sparse_tile<1>(w + row * stride, stride, x + c, active, count, first, y + row * columns + c, columns);
  }
}

static void spread(const float* __restrict w, float from, float* __restrict sums, std::int64_t rows, std::int64_t width,
                   std::int64_t pitch) {
  for (std::int64_t row = 0; row < rows; ++row, w += width, sums += pitch)
    for (std::int64_t i = 0; i < width; ++i) sums[i] += w[i] * from;
}

static void spread_and_learn(float* __restrict w, float from, const float* __restrict gain,
                             const float* __restrict keep, float bound, float* __restrict sums, std::int64_t rows,
                             std::int64_t width, std::int64_t pitch) {
  for (std::int64_t row = 0; row < rows; ++row, w += width, sums += pitch, gain += pitch, keep += pitch)
    for (std::int64_t i = 0; i < width; ++i) {
      sums[i] += w[i] * from;
      float changed = keep[i] * w[i] + gain[i] * from;
      changed = changed < 0.0f ? 0.0f : changed;
      w[i] = changed > bound ? bound : changed;
    }
}

static void relax(float* __restrict u, const float* __restrict sums, float share, RateFunction f,
                  float* __restrict rates, std::int64_t n) {
  const float power = f.squared ? 1.0f : 0.0f;
  for (std::int64_t i = 0; i < n; ++i) {
    const float next = u[i] + share * (sums[i] - u[i]);
    u[i] = next < 0.0f ? 0.0f : next;  // a NaN is not below 0, and stays
    const float over = u[i] - f.threshold, above = over < 0.0f ? 0.0f : over;
    rates[i] = f.beta * above * (power * above + (1.0f - power));
  }
}

static void add(float* __restrict y, const float* __restrict x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
}

static void add_own_position(const float* __restrict x, float weight, float* __restrict y, std::int64_t positions,
                             std::int64_t features, std::int64_t columns) {
  const std::int64_t block = columns == 1 ? 1 : 16;
  for (std::int64_t p = 0; p < positions; ++p, x += features * columns, y += features * columns)
    for (std::int64_t c = 0; c < columns; c += block) {
      float sums[16] = {};
      for (std::int64_t k = 0; k < features; ++k)
        for (std::int64_t i = 0; i < block; ++i) sums[i] += x[k * columns + c + i];
      for (std::int64_t k = 0; k < features; ++k)
        for (std::int64_t i = 0; i < block; ++i) {
          float& to = y[k * columns + c + i];
          to = weight * (to + (sums[i] - x[k * columns + c + i]));
        }
    }
}

static std::int64_t active_rows(const float* __restrict x, std::int64_t rows, std::int64_t columns,
                                std::int32_t* __restrict active) {
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < rows; ++row, x += columns) {
    float sum = x[0];  // rates are never negative
    if (columns > 1) {
      float lanes[16] = {};
      for (std::int64_t c = 0; c < columns; c += 16)
        for (int j = 0; j < 16; ++j) lanes[j] += x[c + j];
      sum = total(lanes);
    }
    active[count] = static_cast<std::int32_t>(row);
    count += sum == 0.0f ? 0 : 1;  // a NaN goes on
  }
  return count;
}

static void column_means(const float* __restrict x, float* __restrict means, std::int64_t rows, std::int64_t columns) {
  const float share = 1.0f / static_cast<float>(rows);
  if (columns == 1) {
    float lanes[16] = {};
    const std::int64_t whole = rows / 16 * 16;
    for (std::int64_t i = 0; i < whole; i += 16)
      for (int j = 0; j < 16; ++j) lanes[j] += x[i + j];
    for (std::int64_t i = whole; i < rows; ++i) lanes[i - whole] += x[i];
    means[0] = total(lanes) * share;
    return;
  }
  for (std::int64_t c = 0; c < columns; c += 16) {
    float lanes[16] = {};
    for (std::int64_t row = 0; row < rows; ++row)
      for (int j = 0; j < 16; ++j) lanes[j] += x[row * columns + c + j];
    for (int j = 0; j < 16; ++j) means[c + j] = lanes[j] * share;
  }
}

static void less_columns(const float* __restrict x, const float* __restrict columns_off, float* __restrict y,
                         std::int64_t rows, std::int64_t columns) {
  if (columns == 1) {
    for (std::int64_t i = 0; i < rows; ++i) y[i] = x[i] - columns_off[0];
    return;
  }
  for (std::int64_t row = 0; row < rows; ++row, x += columns, y += columns)
    for (std::int64_t c = 0; c < columns; ++c) y[c] = x[c] - columns_off[c];
}

}  // namespace palimpsest
