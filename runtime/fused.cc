#include "runtime/fused.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "runtime/kernels.h"

namespace palimpsest::fused {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

using Elementwise = decltype(&Kernels::quick_gelu);
using ElementwiseBackward = decltype(&Kernels::quick_gelu_backward);

const float* data(const at::Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; }
std::int64_t rows_of(const at::Tensor& x) { return x.numel() / x.size(-1); }

template <Elementwise kForward, ElementwiseBackward kBackward>
struct Activation : Function<Activation<kForward, kBackward>> {
  static at::Tensor compute(const at::Tensor& x) {
    auto y = at::empty_like(x);
    (kernels().*kForward)(data(x), y.template mutable_data_ptr<float>(), rows_of(x), x.size(-1));
    return y;
  }
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    context->save_for_backward({x});
    return compute(x);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto x = context->get_saved_variables()[0], dy = gradients[0].contiguous();
    auto dx = at::empty_like(x);
    (kernels().*kBackward)(data(x), data(dy), dx.template mutable_data_ptr<float>(), rows_of(x), x.size(-1));
    return {dx};
  }
};

template <class F>
at::Tensor activation(const at::Tensor& given) {
  const auto x = given.contiguous();
  return at::GradMode::is_enabled() && x.requires_grad() ? F::apply(x) : F::compute(x);
}

// Calls f(first row, rows, place of the run's weight) for each run of own weights, or once for all where they are
// shared.
template <class F>
void for_each_run(const at::Tensor& x, const at::Tensor& weight, const F& f) {
  const std::int64_t runs = weight.dim() == 2 ? weight.size(0) : 1, rows = rows_of(x) / runs;
  for (std::int64_t run = 0; run < runs; ++run) f(run * rows, rows, run * x.size(-1));
}

struct LayerNorm : Function<LayerNorm> {
  static at::Tensor compute(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                            at::Tensor& moments) {
    auto y = at::empty_like(x);
    moments = at::empty({rows_of(x), 2}, x.options());
    const std::int64_t width = x.size(-1);
    for_each_run(x, weight, [&](std::int64_t row, std::int64_t rows, std::int64_t at) {
      kernels().layer_norm(data(x) + row * width, data(weight) + at, data(bias) + at,
                           y.mutable_data_ptr<float>() + row * width, moments.mutable_data_ptr<float>() + 2 * row, rows,
                           width, static_cast<float>(epsilon));
    });
    return y;
  }
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, double epsilon) {
    at::Tensor moments;
    auto y = compute(x, weight, bias, epsilon, moments);
    context->save_for_backward({x, weight, moments});
    return y;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &moments = saved[2];
    const auto dy = gradients[0].contiguous();
    auto dx = at::empty_like(x), d_weight = at::zeros_like(weight), d_bias = at::zeros_like(weight);
    const std::int64_t width = x.size(-1);
    for_each_run(x, weight, [&](std::int64_t row, std::int64_t rows, std::int64_t at) {
      kernels().layer_norm_backward(data(x) + row * width, data(weight) + at, data(moments) + 2 * row,
                                    data(dy) + row * width, dx.mutable_data_ptr<float>() + row * width,
                                    d_weight.mutable_data_ptr<float>() + at, d_bias.mutable_data_ptr<float>() + at,
                                    rows, width);
    });
    return {dx, d_weight, d_bias, at::Tensor()};
  }
};

// Where the rows of a head lie in [R, B, T, H d].
struct Heads {
  std::int64_t images, T, heads, d;
  explicit Heads(const at::Tensor& x, std::int64_t heads)
      : images(x.size(0) * x.size(1)), T(x.size(2)), heads(heads), d(x.size(3) / heads) {}

  Rows rows(const at::Tensor& x, std::int64_t image, std::int64_t head) const {
    return {data(x) + image * T * x.stride(2) + head * d, x.stride(2)};
  }
  MutableRows rows(at::Tensor& x, std::int64_t image, std::int64_t head) const {
    return {x.mutable_data_ptr<float>() + image * T * x.stride(2) + head * d, x.stride(2)};
  }
  std::int64_t square(std::int64_t image, std::int64_t head) const { return (image * heads + head) * T * T; }
};

// Rows at equal distances throughout, as the kernels want them.
at::Tensor even_rows(const at::Tensor& x) {
  const bool even =
      x.stride(3) == 1 && x.stride(1) == x.size(2) * x.stride(2) && x.stride(0) == x.size(1) * x.stride(1);
  return even ? x : x.contiguous();
}

struct Attention : Function<Attention> {
  static at::Tensor compute(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& drop,
                            std::int64_t heads, at::Tensor* probabilities) {
    const Heads at(q, heads);
    auto out = at::empty(q.sizes(), q.options());
    if (probabilities) *probabilities = at::empty({q.size(0), q.size(1), heads, at.T, at.T}, q.options());
    float* squares = probabilities ? probabilities->mutable_data_ptr<float>() : nullptr;
    for (std::int64_t image = 0; image < at.images; ++image)
      for (std::int64_t head = 0; head < heads; ++head) {
        const auto square = at.square(image, head);
        kernels().attention(at.rows(q, image, head), at.rows(k, image, head), at.rows(v, image, head),
                            drop.numel() > 0 ? data(drop) + square : nullptr, at.rows(out, image, head),
                            squares ? squares + square : nullptr, at.T, at.d);
      }
    return out;
  }
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const at::Tensor& drop, std::int64_t heads) {
    at::Tensor probabilities;
    auto out = compute(q, k, v, drop, heads, &probabilities);
    context->save_for_backward({q, k, v, drop, probabilities});
    context->saved_data["heads"] = heads;
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &q = saved[0], &k = saved[1], &v = saved[2], &drop = saved[3], &probabilities = saved[4];
    const auto heads = context->saved_data["heads"].toInt();
    const auto d_out = gradients[0].contiguous();
    const Heads at(q, heads);
    auto dq = at::empty(q.sizes(), q.options()), dk = at::empty(q.sizes(), q.options()),
         dv = at::empty(q.sizes(), q.options());
    for (std::int64_t image = 0; image < at.images; ++image)
      for (std::int64_t head = 0; head < heads; ++head) {
        const auto square = at.square(image, head);
        kernels().attention_backward(at.rows(q, image, head), at.rows(k, image, head), at.rows(v, image, head),
                                     drop.numel() > 0 ? data(drop) + square : nullptr, data(probabilities) + square,
                                     at.rows(d_out, image, head), at.rows(dq, image, head), at.rows(dk, image, head),
                                     at.rows(dv, image, head), at.T, at.d);
      }
    return {dq, dk, dv, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool serves(const at::Tensor& x) { return x.device().is_cpu() && x.scalar_type() == at::kFloat; }

at::Tensor quick_gelu(const at::Tensor& x) {
  return activation<Activation<&Kernels::quick_gelu, &Kernels::quick_gelu_backward>>(x);
}
at::Tensor gelu(const at::Tensor& x) { return activation<Activation<&Kernels::gelu, &Kernels::gelu_backward>>(x); }

at::Tensor layer_norm(const at::Tensor& given, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  const auto x = given.contiguous();
  if (at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad()))
    return LayerNorm::apply(x, weight, bias, epsilon);
  at::Tensor moments;
  return LayerNorm::compute(x, weight, bias, epsilon, moments);
}

at::Tensor attention(const at::Tensor& given_q, const at::Tensor& given_k, const at::Tensor& given_v,
                     std::int64_t heads, const at::Tensor& drop, at::Tensor* probabilities) {
  const auto q = even_rows(given_q), k = even_rows(given_k), v = even_rows(given_v);
  const bool differentiate =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  if (!differentiate) return Attention::compute(q, k, v, drop, heads, probabilities);
  auto out =
      Attention::apply(q, k, v, drop.defined() ? drop : at::empty({0}), heads);  // a graph takes no undefined tensor
  if (probabilities) {
    const at::NoGradGuard no_gradient;
    Attention::compute(q, k, v, {}, heads, probabilities);
  }
  return out;
}

}  // namespace palimpsest::fused
