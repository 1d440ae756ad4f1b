#pragma once

// What a kernel does to one element, for GPUs and for the host, where tests hold it against the vectors of kernels.h.

#include <cmath>
#include <cstdint>

#include "runtime/adamw_step.h"

#ifdef __CUDACC__
#define PALIMPSEST_ELEMENT __host__ __device__ inline
#else
#define PALIMPSEST_ELEMENT inline
#endif

namespace palimpsest {

PALIMPSEST_ELEMENT void adamw_element(float& value, float gradient, float& first, float& second, const AdamWStep& s) {
  first = s.beta1 * first + (1.0f - s.beta1) * gradient;
  second = s.beta2 * second + (1.0f - s.beta2) * gradient * gradient;
  value = value * s.decay - s.step_size * (first / (sqrtf(second) * s.inverse_sqrt_correction2 + s.epsilon));
}

/// Sixteen bits decide a multiplier: eight neighbours share a block of Philox 4x32-10 (Salmon et al. 2011), `block` of them to a stream.
PALIMPSEST_ELEMENT void dropout_elements(std::uint64_t key, std::uint64_t block, std::uint32_t threshold, float kept, float (&out)[8]) {
  std::uint32_t c0 = static_cast<std::uint32_t>(block), c1 = static_cast<std::uint32_t>(block >> 32), c2 = 0, c3 = 0;
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c0, b = std::uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<std::uint32_t>(b >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(b);
    c2 = static_cast<std::uint32_t>(a >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(a);
  }
  const std::uint32_t words[4] = {c0, c1, c2, c3};
  for (int i = 0; i < 8; ++i) out[i] = (words[i / 2] >> (i % 2 * 16) & 0xFFFFu) < threshold ? 0.0f : kept;
}

}  // namespace palimpsest
