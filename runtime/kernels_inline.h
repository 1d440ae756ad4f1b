#pragma once

// What the kernels share, small enough to vanish in them: written so that loops over them become vector instructions.
// Everything has internal linkage: the files that include this are compiled once for each kind of processor.

#include <bit>
#include <cstdint>

#define PALIMPSEST_INLINE static inline __attribute__((always_inline))
namespace palimpsest {

/// Eight floats as one value, wherever they begin.
typedef float Vector __attribute__((vector_size(32), aligned(4)));

/// e^x to 2 units in the last place for x in [-87, 88]; what lies outside is taken for the nearer end.
PALIMPSEST_INLINE float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float to_nearest = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float n = (x * 1.44269504088896341f + to_nearest) - to_nearest;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // x - n ln 2, ln 2 in two parts
  float p = 1.9875691500e-4f;                                   // Cephes expf
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

/// Sum over lanes that were filled side by side.
PALIMPSEST_INLINE float total(const float (&lanes)[16]) {
  float sum = 0;
  for (int i = 0; i < 8; ++i) sum += lanes[i] + lanes[i + 8];
  return sum;
}

}  // namespace palimpsest
