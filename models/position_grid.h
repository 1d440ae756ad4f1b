#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// Position embeddings [class + g * g, C] of a square grid of patches for one of `grid` x `grid`, by bicubic
/// interpolation (a = -0.75, half-pixel centres) in float32; the class token's stays. `antialias`: as timm and
/// open_clip do; without: as transformers does.
at::Tensor resized_positions(const at::Tensor& positions, bool class_token, std::int64_t grid, bool antialias);

}  // namespace palimpsest
