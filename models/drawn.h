#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "models/patch_mask.h"
#include "runtime/transformer_block.h"

namespace palimpsest {

/// What is drawn for the images of a batch, on the device of the weights: all that their loss takes from the host beside themselves. Each
/// objective has some of it.
struct Drawn {
  PatchMask mask = {};                      // which patches are hidden
  std::vector<BlockDropout> dropout = {};   // of each layer of the decoder
  at::Tensor views = {}, second = {};       // [B, 3, S, S] both crops in the colours drawn for them

  /// Each tensor of them, defined or not, in one order.
  std::vector<at::Tensor*> tensors();
};

}  // namespace palimpsest
