#pragma once

// Eight floats at once, in the compiler's own vectors: the same source becomes AVX2 or whatever the processor has.

#include <cstdint>
#include <cstring>

#include "runtime/kernels_inline.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kLanes = 8;
typedef std::int32_t Integers __attribute__((vector_size(32)));

// Read and written through an unaligned vector type: copied by memcpy, GCC moves the halves over the stack, and every product waits for it.
typedef float Unaligned __attribute__((vector_size(32), aligned(4), may_alias));
PALIMPSEST_INLINE Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
PALIMPSEST_INLINE void store(float* to, Vector v) { *reinterpret_cast<Unaligned*>(to) = v; }

PALIMPSEST_INLINE Vector load_first(const float* from, std::int64_t n) {
  Vector v = {};
  std::memcpy(&v, from, static_cast<std::size_t>(n) * sizeof(float));
  return v;
}
PALIMPSEST_INLINE void store_first(float* to, std::int64_t n, Vector v) {
  std::memcpy(to, &v, static_cast<std::size_t>(n) * sizeof(float));
}
PALIMPSEST_INLINE Vector all(float x) { return x - Vector{}; }  // not x + 0, which would turn -0 into 0

PALIMPSEST_INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }  // b where one is NaN
PALIMPSEST_INLINE Vector smaller(Vector a, Vector b) { return a < b ? a : b; }

// Halves, quarters, neighbours: three steps to one number.
template <class F>
PALIMPSEST_INLINE float reduced(Vector v, const F& f) {
  v = f(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3));
  v = f(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5));
  return f(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6))[0];
}
PALIMPSEST_INLINE float sum(Vector v) {
  return reduced(v, [](Vector a, Vector b) { return a + b; });
}
PALIMPSEST_INLINE float largest(Vector v) { return reduced(v, larger); }

/// e^x to 2 units in the last place for x in [-87, 88]; what lies outside is taken for the nearer end, NaN stays.
PALIMPSEST_INLINE Vector exponential(Vector x) {
  x = larger(all(-87.0f), x);
  x = smaller(all(88.0f), x);
  const Vector shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: the low bits hold the nearest integer n
  const Vector n = shifted - 12582912.0f;
  const Vector r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // x - n ln 2, ln 2 in two parts
  Vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;            // Cephes expf
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  Integers bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  Vector power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

/// Transposes 8 x 8 floats.
PALIMPSEST_INLINE void transpose(Vector (&v)[8]) {
  Vector t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  Vector u[8];
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      u[i + 2 * j] = __builtin_shufflevector(t[i + j], t[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
      u[i + 2 * j + 1] = __builtin_shufflevector(t[i + j], t[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int i = 0; i < 4; ++i) {
    v[i] = __builtin_shufflevector(u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    v[i + 4] = __builtin_shufflevector(u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

}  // namespace
}  // namespace palimpsest
