#pragma once

// What the kernels share, small enough to vanish in them: written so that loops over them become vector instructions.
// Everything has internal linkage: the files that include this are compiled once for each kind of processor.

#include <cstdint>

#define PALIMPSEST_INLINE static inline __attribute__((always_inline))
namespace palimpsest {

/// Eight floats as one value, wherever they begin.
typedef float Vector __attribute__((vector_size(32), aligned(4)));

/// Sum over lanes that were filled side by side.
PALIMPSEST_INLINE float total(const float (&lanes)[16]) {
  float sum = 0;
  for (int i = 0; i < 8; ++i) sum += lanes[i] + lanes[i + 8];
  return sum;
}

}  // namespace palimpsest
