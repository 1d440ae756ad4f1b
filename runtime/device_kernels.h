#pragma once

#include <cstdint>

#include "runtime/adamw_step.h"

namespace palimpsest {

/// Kernels of our own for CUDA devices, on the default stream of the current one; what has none there is LibTorch's. Pointers are to the
/// device's memory, but for `keys` and `steps`, one of each run.
struct DeviceKernels {
  /// Dropout multipliers out [runs, n], as Kernels::dropout gives them.
  void (*dropout)(const std::uint64_t* keys, std::int64_t runs, std::uint32_t threshold, float kept, float* out, std::int64_t n);
  /// All of a parameter's runs in one pass: value, gradient, first and second [runs, n].
  void (*adamw)(float* value, const float* gradient, float* first, float* second, std::int64_t runs, std::int64_t n, const AdamWStep* steps);
};

/// Those of libpalimpsest_cuda.so, which is built where nvcc is; nullptr where it is not there: then LibTorch's operations do the same.
const DeviceKernels* device_kernels();

}  // namespace palimpsest
