#pragma once

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// Mean and standard deviation of each patch's own values, [..., 1], as ViTMAE takes them (He et al. 2021): patches by these are what a masked autoencoder
/// may be asked for instead of pixels.
struct PatchScale {
  at::Tensor mean, sd;

  explicit PatchScale(const at::Tensor& patches);  // [..., 3 p p]
  at::Tensor normalised(const at::Tensor& patches) const { return (patches - mean) / sd; }
  at::Tensor restored(const at::Tensor& normalised) const { return normalised * sd + mean; }
};

}  // namespace palimpsest
