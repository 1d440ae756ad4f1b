#pragma once

#include "sweeps/circuit_input.h"

namespace palimpsest {

/// Filters learned by sparse coding of patches of images (Olshausen & Field, Nature 1996): codes by iterative shrinkage and
/// thresholding, dictionary by gradient steps, patches of mean 0 and SD 1 drawn from `stream`. As many as the configuration has
/// features, [features, filter * filter], each of mean 0 and length 1.
std::vector<std::vector<double>> learned_bank(const std::vector<GreyImage>& images, const CircuitInputConfig&, const RandomStream& stream);

}  // namespace palimpsest
