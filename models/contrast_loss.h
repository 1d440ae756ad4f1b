#pragma once

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// This part's share of the symmetric cross-entropy of two views (InfoNCE; Oord et al. 2018, Radford et al. 2021):
/// the mean over images i of -log softmax_j(s a_i . b_j)[i] and the same with the views exchanged, over `global_size`
/// images.
///   mine [n, 2 D]    the two views' unit vectors of images [first, first + n), beside each other
///   all  [N, 2 D]    those of all images they are compared with, mine among them
///   scale            a scalar: the inverse of the temperature
at::Tensor contrast_loss(const at::Tensor& mine, const at::Tensor& all, std::int64_t first, const at::Tensor& scale,
                         std::int64_t global_size);

/// min(x, bound), through which the gradient passes unless it would push further up: so that x, once there, finds back.
at::Tensor bounded_above(const at::Tensor& x, double bound);

}  // namespace palimpsest
