#include "models/picture_grid.h"

#include <ATen/ATen.h>

#include "runtime/tensor_file.h"

namespace palimpsest {

Image picture_grid(const std::vector<at::Tensor>& rows, int tile) {
  constexpr std::int64_t kMargin = 4;
  const std::int64_t B = rows.at(0).size(0), S = rows[0].size(2), factor = (tile + S - 1) / S, side = factor * S;
  auto page = at::ones({3, std::ssize(rows) * (side + kMargin) + kMargin, B * (side + kMargin) + kMargin});
  for (std::int64_t row = 0; row < std::ssize(rows); ++row)
    for (std::int64_t column = 0; column < B; ++column) {
      const auto picture = rows[row][column].repeat_interleave(factor, 1).repeat_interleave(factor, 2);
      const std::int64_t top = kMargin + row * (side + kMargin), left = kMargin + column * (side + kMargin);
      page.slice(1, top, top + side).slice(2, left, left + side).copy_(picture);
    }
  return to_image(page);
}

}  // namespace palimpsest
