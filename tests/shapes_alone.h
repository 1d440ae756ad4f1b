#pragma once

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <ATen/WrapDimUtils.h>
#include <torch/library.h>

#include <array>
#include <optional>
#include <tuple>

// LibTorch's device "meta" computes shapes alone, and refuses to mix with tensors of any other: what runs on it keeps all its tensors where the
// weights are, as a GPU needs it. To be included in one file of a test.

namespace palimpsest {

// Shapes that LibTorch knows in Python only: of layer norm, of |x| and of variances.
at::Tensor& shape_of_abs(const at::Tensor& x, at::Tensor& out) {
  out.resize_(x.sizes());
  return out;
}
std::tuple<at::Tensor, at::Tensor, at::Tensor> shapes_of_norm(const at::Tensor& x, at::IntArrayRef, const std::optional<at::Tensor>&,
                                                              const std::optional<at::Tensor>&, double) {
  const auto moments = x.select(-1, 0).unsqueeze(-1);
  return {at::empty_like(x), at::empty_like(moments), at::empty_like(moments)};
}
std::tuple<at::Tensor, at::Tensor, at::Tensor> shapes_of_norm_backward(const at::Tensor&, const at::Tensor& x, at::IntArrayRef, const at::Tensor&,
                                                                       const at::Tensor&, const std::optional<at::Tensor>&,
                                                                       const std::optional<at::Tensor>&, std::array<bool, 3>) {
  return {at::empty_like(x), {}, {}};
}

void check_alone(const at::Tensor& x) { TORCH_CHECK(x.is_meta(), "a tensor of ", x.device(), " among shapes alone"); }
at::Tensor shape_of_chosen(const at::Tensor& x, std::int64_t dimension, const at::Tensor& index) {
  check_alone(index);
  auto sizes = x.sizes().vec();
  sizes[static_cast<std::size_t>(at::maybe_wrap_dim(dimension, x.dim()))] = index.numel();
  return at::empty(sizes, x.options());
}
at::Tensor& shape_where_out(const at::Tensor& condition, const at::Tensor& x, const at::Tensor& y, at::Tensor& out) {
  for (const at::Tensor& one : {condition, x, y})
    if (one.dim() > 0) check_alone(one);
  out.resize_(at::infer_size(condition.sizes(), at::infer_size(x.sizes(), y.sizes())));
  return out;
}
at::Tensor shape_where(const at::Tensor& condition, const at::Tensor& x, const at::Tensor& y) {
  auto out = at::empty({0}, at::TensorOptions(at::result_type(x, y)).device(at::kMeta));
  return shape_where_out(condition, x, y, out);
}
at::Tensor shape_of_padded(const at::Tensor& x, at::SymIntArrayRef pad) {
  auto sizes = x.sizes().vec();
  for (std::size_t side = 0; side < 4; ++side) sizes[sizes.size() - 1 - side / 2] += pad[side].expect_int();
  return at::empty(sizes, x.options());
}
// Without padding, in steps of one.
at::Tensor shape_of_convolved(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>&, at::SymIntArrayRef, at::SymIntArrayRef,
                              at::SymIntArrayRef, bool, at::SymIntArrayRef, c10::SymInt) {
  check_alone(weight);
  return at::empty({x.size(0), weight.size(0), x.size(2) - weight.size(2) + 1, x.size(3) - weight.size(3) + 1}, x.options());
}
at::Tensor& shape_of_both(const at::Tensor& x, const at::Tensor& y, at::Tensor& out) {
  check_alone(x), check_alone(y);
  out.resize_(at::infer_size(x.sizes(), y.sizes()));
  return out;
}

at::Tensor shape_of_variance(const at::Tensor& x, at::OptionalIntArrayRef dimensions, const std::optional<at::Scalar>&, bool keeps) {
  return x.sum(dimensions, keeps);
}

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("var.correction", shape_of_variance);
  library.impl("logical_or.out", shape_of_both);
  library.impl("convolution_overrideable", shape_of_convolved);
  library.impl("reflection_pad2d", shape_of_padded);
  library.impl("index_select", shape_of_chosen);
  library.impl("where.self", shape_where);
  library.impl("where.self_out", shape_where_out);
  library.impl("abs.out", shape_of_abs);
  library.impl("native_layer_norm", shapes_of_norm);
  library.impl("native_layer_norm_backward", shapes_of_norm_backward);
}

}  // namespace palimpsest
