#include "runtime/fused.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "runtime/kernels.h"
#include "runtime/map_tensors.h"
#include "runtime/precision.h"

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
    (kernels().*kForward)(data(x), y.template mutable_data_ptr<float>(), x.numel());
    return y;
  }
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    context->save_for_backward({x});
    return compute(x);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto x = context->get_saved_variables()[0], dy = gradients[0].contiguous();
    auto dx = at::empty_like(x);
    (kernels().*kBackward)(data(x), data(dy), dx.template mutable_data_ptr<float>(), x.numel());
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
                                    data(dy) + row * width, nullptr, dx.mutable_data_ptr<float>() + row * width,
                                    d_weight.mutable_data_ptr<float>() + at, d_bias.mutable_data_ptr<float>() + at,
                                    rows, width);
    });
    return {dx, d_weight, d_bias, at::Tensor()};
  }
};

// x [R, M, C] and the map, kept from forward to backward.
struct LinearKept : torch::CustomClassHolder {
  LinearKept(const at::Tensor& x, const LinearMap& map) : x(x), map(map) {}
  at::Tensor x;
  LinearMap map;
};

std::vector<Parameter> parameters_of(const LinearMap& map) {
  std::vector<Parameter> out;
  collect(map, out);
  return out;
}

// Calls f(place of the run's first row, rows) piece by piece over M rows.
template <class F>
void for_each_piece(std::int64_t M, const F& f) {
  for (std::int64_t row = 0; row < M; row += kRowsOfASum) f(row, std::min(kRowsOfASum, M - row));
}

struct Linear : Function<Linear> {
  static at::Tensor compute(const at::Tensor& x, const LinearMap& map) {
    static thread_local Scratch scratch;
    const std::int64_t R = x.size(0), M = x.size(1), C = x.size(2), D = map.weight.value.size(-2);
    auto y = at::empty({R, M, D}, x.options());
    for (std::int64_t run = 0; run < R; ++run) {
      scratch.restart();
      const PackedMap packed(RunReader(run, nullptr, scratch).map({map}), true, scratch);
      for_each_piece(M, [&](std::int64_t row, std::int64_t rows) {
        packed.forward({data(x) + (run * M + row) * C, C}, {y.mutable_data_ptr<float>() + (run * M + row) * D, D},
                       rows);
      });
    }
    return y;
  }
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList, const LinearMap& map) {
    context->saved_data["kept"] = at::IValue::make_capsule(c10::make_intrusive<LinearKept>(x, map));
    return compute(x, map);
  }
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    static thread_local Scratch scratch;
    const auto kept = c10::static_intrusive_pointer_cast<LinearKept>(context->saved_data["kept"].toCapsule());
    const auto &x = kept->x, dy = d_out[0].contiguous();
    const std::int64_t R = x.size(0), M = x.size(1), C = x.size(2), D = dy.size(2);
    auto gradients = gradients_for(parameters_of(kept->map), R);
    auto dx = x.requires_grad() ? at::empty_like(x) : at::Tensor();
    for (std::int64_t run = 0; run < R; ++run) {
      scratch.restart();
      const auto map = RunReader(run, &gradients, scratch).map({kept->map});
      map_gradients(map, {data(x) + run * M * C, C}, {data(dy) + run * M * D, D}, M, !gradients.zeroed, scratch);
      if (!dx.defined()) continue;
      const PackedMap packed(map, false, scratch);
      for_each_piece(M, [&](std::int64_t row, std::int64_t rows) {
        packed.backward({data(dy) + (run * M + row) * D, D}, {dx.mutable_data_ptr<float>() + (run * M + row) * C, C},
                        rows);
      });
    }
    variable_list out{dx};
    out.insert(out.end(), gradients.tensors.begin(), gradients.tensors.end());
    out.emplace_back();  // for the map
    return out;
  }
};

// Where the rows of a head lie in [R, B, T, H d].
struct Heads {
  std::int64_t images, T, heads, d;
  explicit Heads(const at::Tensor& x, std::int64_t heads)
      : images(x.size(0) * x.size(1)), T(x.size(2)), heads(heads), d(x.size(3) / heads) {}

  RowView rows(const at::Tensor& x, std::int64_t image, std::int64_t head) const {
    return {data(x) + image * T * x.stride(2) + head * d, x.stride(2)};
  }
  MutableRowView rows(at::Tensor& x, std::int64_t image, std::int64_t head) const {
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
                            squares ? squares + square : nullptr, at.T, at.T, at.d);
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

bool serves(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && !factors_in_bfloat16();
}

at::Tensor quick_gelu(const at::Tensor& x) {
  return activation<Activation<&Kernels::quick_gelu, &Kernels::quick_gelu_backward>>(x);
}
at::Tensor gelu(const at::Tensor& x) { return activation<Activation<&Kernels::gelu, &Kernels::gelu_backward>>(x); }

bool serves(const at::Tensor& x, const LinearMap& map) {
  return serves(x) && is_low_rank(map) && all_plain(parameters_of(map));
}

at::Tensor linear(const at::Tensor& given, const LinearMap& map) {
  const auto x = given.contiguous();
  const auto parameters = parameters_of(map);
  if (!at::GradMode::is_enabled() || !(x.requires_grad() || any_requires_grad(parameters)))
    return Linear::compute(x, map);
  const auto tensors = values_of(parameters);
  return Linear::apply(x, at::TensorList(tensors), map);
}

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
