#include "models/position_grid.h"

#include <cmath>

#include <ATen/ATen.h>

namespace palimpsest {

at::Tensor resized_positions(const at::Tensor& positions, bool class_token, std::int64_t grid, bool antialias) {
  const std::int64_t first = class_token ? 1 : 0, patches = positions.size(0) - first, C = positions.size(1);
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  if (side == grid) return positions;
  const auto image = positions.slice(0, first).reshape({1, side, side, C}).permute({0, 3, 1, 2});
  const auto resized = antialias ? at::_upsample_bicubic2d_aa(image, {grid, grid}, /*align_corners=*/false)
                                 : at::upsample_bicubic2d(image, {grid, grid}, /*align_corners=*/false);
  const auto rows = resized.permute({0, 2, 3, 1}).reshape({grid * grid, C});
  return at::cat({positions.slice(0, 0, first), rows}).contiguous();
}

}  // namespace palimpsest
