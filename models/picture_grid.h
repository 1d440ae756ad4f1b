#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/image.h"

namespace palimpsest {

/// Rows of pictures under each other, each row [B, 3, S, S] in [0, 1]: enlarged by whole factors to at least `tile` pixels a side, with a
/// light margin between them.
Image picture_grid(const std::vector<at::Tensor>& rows, int tile = 128);

}  // namespace palimpsest
