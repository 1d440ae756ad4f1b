#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/random_stream.h"

namespace palimpsest {

/// How the colours of an image are changed at random (Chen et al. 2020). Factors are uniform in [1 - x, 1 + x], the
/// turn of the hue in [-hue, hue] of the colour circle, the blur's SD uniform in [0.1, 2] pixels.
struct ColourChange {
  double brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1;
  double jitter_share = 0.8, grey_share = 0.2, blur_share = 0.5;  // of the images to which each is done
};

/// Brightness, contrast, saturation, hue, grey, blur, in this order, to images [B, 3, S, S] in [0, 1], by numbers of
/// each image's own stream: what becomes of an image does not depend on its batch.
at::Tensor change_colours(const at::Tensor& images, const std::vector<RandomStream>&, const ColourChange& = {});

// One each; the factors are [B].
at::Tensor brighten(const at::Tensor& images, const at::Tensor& factors);
at::Tensor change_contrast(const at::Tensor& images, const at::Tensor& factors);  // about the mean of the grey image
at::Tensor saturate(const at::Tensor& images, const at::Tensor& factors);         // 0: grey
at::Tensor turn_hue(const at::Tensor& images, const at::Tensor& turns);           // 1: once round
at::Tensor blur(const at::Tensor& images, const at::Tensor& sd);  // Gaussian; at the border the image is mirrored

}  // namespace palimpsest
