#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/random_stream.h"

namespace palimpsest {

/// Which patches of each image are hidden: the same number in each of B images, K kept and M masked of N.
struct PatchMask {
  at::Tensor kept;     // [B, K] numbers of patches, ascending
  at::Tensor masked;   // [B, M] likewise
  at::Tensor place;    // [B, N] where a patch lies when its image's kept ones come first, then the masked ones
};

/// round(share * patches) masked ones, at least one and at most all but one, at random from each image's stream alone.
PatchMask draw_patch_mask(const std::vector<RandomStream>& images, std::int64_t patches, double share);

/// Of tokens [R, B, T, C] those that `chosen` [B, K] names in each image: [R, B, K, C].
at::Tensor choose_tokens(const at::Tensor& tokens, const at::Tensor& chosen);

/// What a masked patch looks like by its nearest visible ones: the mean colour of the visible patches in the first square ring around it
/// that holds any. Patches [B, N, P, 3] -> [B, N, 3]; what it says of kept patches is of no use.
at::Tensor nearest_visible_colour(const at::Tensor& patches, const PatchMask&);

}  // namespace palimpsest
