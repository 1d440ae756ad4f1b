#pragma once

#include <ATen/ATen.h>

namespace palimpsest {

/// Rows of length 1; those of length 0 stay.
inline at::Tensor unit_rows(const at::Tensor& rows) { return rows / rows.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12); }

}  // namespace palimpsest
