#pragma once

// Operations of the run axis as one function each on a CPU, forward and backward, by the kernels of kernels.h: what
// plain operations do in many passes over memory. float32 only.

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "runtime/run_axis.h"

namespace palimpsest::fused {

/// Whether these functions can serve: float32 on a CPU.
bool serves(const at::Tensor& x);

at::Tensor quick_gelu(const at::Tensor& x);  // x [R, ..., C]
at::Tensor gelu(const at::Tensor& x);

/// x [R, ..., C]; weight and bias [C] or, own, [R, C].
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon);

/// As linear() of run_axis.h, where all tensors of the map are plain.
at::Tensor linear(const at::Tensor& x, const LinearMap& map);
bool serves(const at::Tensor& x, const LinearMap& map);

/// As attention() of run_axis.h. q, k, v [R, B, T, H d], rows at equal distances (a third of a joint product will do).
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                     const at::Tensor& drop, at::Tensor* probabilities);

}  // namespace palimpsest::fused
