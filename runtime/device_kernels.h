#pragma once

#include <cstdint>

#include "runtime/adamw_step.h"

namespace palimpsest {

struct LowRankPass;

/// Kernels of our own for CUDA devices, on a stream of the current one (a cudaStream_t); what has none there is LibTorch's
/// (device_launch.h calls them). Pointers are to the device's memory, but for `keys`. What is returned is a cudaError_t, 0
/// for none.
struct DeviceKernels {
  /// Dropout multipliers out [runs, n], as Kernels::dropout gives them; keys [runs].
  int (*dropout)(const std::uint64_t* keys, std::int64_t runs, std::uint32_t threshold, float kept, float* out,
                 std::int64_t n, void* stream);
  /// All of a parameter's runs in one pass: value, gradient, first and second [runs, n], steps [runs].
  int (*adamw)(float* value, const float* gradient, float* first, float* second, std::int64_t runs, std::int64_t n,
               const AdamWStep* steps, void* stream);
  /// As low_rank_pass.h tells; a gradient takes a second kernel, over the parts.
  int (*low_rank)(const LowRankPass& pass, void* stream);
  /// Whether the library holds code for the current device; an error where it is too old.
  int (*run_here)();
  const char* (*error_name)(int error);
};

}  // namespace palimpsest
