#pragma once

#include <ATen/core/Tensor.h>

#include "runtime/device_kernels.h"
#include "runtime/run_axis.h"

namespace palimpsest {

/// Whether adapters of this process are to be added by the kernel of low_rank_pass.h on GPUs; not, before it is said.
void fuse_adapters_on_gpus(bool);
/// Whether they are: where that is wanted and the device is a GPU with kernels of our own (else a line of the log).
bool fuses_adapters(c10::Device);

/// sum + s (x A^T) B^T, the r <= 16 numbers of a row between the two products held on the chip, forward and backward. All
/// float32; x [R, M, C], sum [R, M, D]. A run's bits do not depend on R.
at::Tensor add_low_rank(const DeviceKernels&, const at::Tensor& sum, const at::Tensor& x, const Adapter&);
/// The kernels that can, nullptr where products do it.
const DeviceKernels* low_rank_kernels(const at::Tensor& sum, const at::Tensor& x, const Adapter&);

}  // namespace palimpsest
