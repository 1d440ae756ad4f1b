#pragma once

#include <ATen/core/Tensor.h>

#include "runtime/crew.h"

namespace palimpsest {

/// Floating-point operations a second of large float32 matrix products, by all threads of a crew at once: what training
/// could at most reach on these cores. Takes a tenth of a second; others on the machine make it less.
double gemm_rate(Crew&);
/// The same of a device, of products of this type.
double gemm_rate(at::Device, at::ScalarType);

}  // namespace palimpsest
