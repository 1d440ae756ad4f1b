#pragma once

#include <functional>

#include <c10/core/Device.h>

#include "runtime/device_kernels.h"

namespace palimpsest {

/// The kernels of libpalimpsest_cuda.so, which is built where nvcc is, for this device; nullptr where it is no GPU, or
/// the library is not there or has no code for it: then LibTorch's operations do the same.
const DeviceKernels* kernels_for(c10::Device);

/// Calls one of them with `device` as the current one, which it is for this long, and the stream that LibTorch uses there
/// now. Throws std::runtime_error with CUDA's name of what went wrong.
void launch(const DeviceKernels&, c10::Device, const char* name, const std::function<int(void* stream)>& kernel);

}  // namespace palimpsest
