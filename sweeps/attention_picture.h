#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/image.h"

namespace palimpsest {

/// What a network attends to of some images. I images, K = grid * grid patches.
struct Attended {
  at::Tensor images;  // [I, 3, S, S] in [0, 1]
  at::Tensor maps;    // [I, K], weights of any scale
};

/// Images side by side, a row for each of `rows`, enlarged, grey where nothing is attended to and from violet to yellow where most is; the outline of
/// `masks` (S x S, one an image, or none) in white. An image has one scale in all rows, so that they can be compared down a column.
Image attention_picture(const std::vector<Attended>& rows, const std::vector<Mask>& masks);

}  // namespace palimpsest
