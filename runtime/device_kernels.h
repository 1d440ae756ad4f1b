#pragma once

#include <cstdint>

#include "runtime/adamw_step.h"

namespace palimpsest {

/// Kernels of our own for CUDA devices, on the default stream of the current one; what has none there is LibTorch's
/// (device_launch.h calls them). Pointers are to the device's memory, but for `keys` and `steps`, one of each run. What
/// is returned is a cudaError_t, 0 for none.
struct DeviceKernels {
  /// Dropout multipliers out [runs, n], as Kernels::dropout gives them.
  int (*dropout)(const std::uint64_t* keys, std::int64_t runs, std::uint32_t threshold, float kept, float* out,
                 std::int64_t n);
  /// All of a parameter's runs in one pass: value, gradient, first and second [runs, n].
  int (*adamw)(float* value, const float* gradient, float* first, float* second, std::int64_t runs, std::int64_t n,
               const AdamWStep* steps);
  /// Whether the library holds code for the current device; an error where it is too old.
  int (*run_here)();
  const char* (*error_name)(int error);
};

}  // namespace palimpsest
