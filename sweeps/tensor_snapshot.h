#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "sweeps/snapshot.h"

namespace palimpsest {

/// Tensors as parts of a snapshot: float32, float64 and int64; from any device, back on the CPU.
void put(Snapshot&, const std::string& name, const at::Tensor&);
/// Throws InputError where the part is not there or has another shape.
at::Tensor get(const Snapshot&, const std::string& name);
void get_into(const Snapshot&, const std::string& name, at::Tensor out);

}  // namespace palimpsest
