#include "models/patch_scale.h"

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

constexpr double kEpsilon = 1e-6;  // added to a patch's variance, as the paper's code does

}  // namespace

PatchScale::PatchScale(const at::Tensor& patches)
    : mean(patches.mean(-1, /*keepdim=*/true)), sd((patches.var(-1, /*unbiased=*/true, /*keepdim=*/true) + kEpsilon).sqrt()) {}

}  // namespace palimpsest
