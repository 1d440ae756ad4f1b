#include "runtime/run_axis.h"

#include <cmath>

#include <ATen/ATen.h>

#include "runtime/device_launch.h"
#include "runtime/fused.h"
#include "runtime/kernels.h"
#include "runtime/low_rank.h"
#include "runtime/precision.h"

namespace palimpsest {
namespace {

// Of a product, in the format that factors have now.
at::Tensor factor(const at::Tensor& t) { return factors_in_bfloat16() ? t.to(at::kBFloat16) : t; }

// A batched product even for a shared weight: each run's product then has the same shape, hence the same order of
// summation, whatever R is.
at::Tensor per_run(const Parameter& parameter, std::int64_t runs) {
  const auto value = factor(parameter.value);
  return parameter.own ? value : value.unsqueeze(0).expand({runs, -1, -1});
}

// sum + x y. A GPU adds while it multiplies, one pass over what is large in place of two; a CPU would add in another order.
at::Tensor added_to(const at::Tensor& sum, const at::Tensor& x, const at::Tensor& y) {
  const bool at_once = !sum.is_cpu() && sum.scalar_type() == x.scalar_type();
  return at_once ? at::baddbmm(sum, x, y) : sum + at::bmm(x, y);
}

// [C] or own [R, C] as something that broadcasts over x [R, ..., C].
at::Tensor along_last(const Parameter& parameter, std::int64_t dimensions) {
  if (!parameter.own) return parameter.value;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(dimensions), 1);
  shape.front() = parameter.value.size(0);
  shape.back() = parameter.value.size(1);
  return parameter.value.view(shape);
}

}  // namespace

at::Tensor own_copies(const at::Tensor& value, std::int64_t count) {
  return value.unsqueeze(0).repeat_interleave(count, 0).contiguous();
}

at::Tensor linear(const at::Tensor& x, const Parameter& weight, const Parameter& bias) {
  const LinearMap map{weight, bias, {}};
  if (fused::serves(x, map)) return fused::linear(x, map);
  const auto transposed = per_run(weight, x.size(0)).transpose(1, 2);
  if (factors_in_bfloat16()) {
    const auto product = at::bmm(factor(x), transposed);
    return bias.value.defined() ? along_last(bias, 3) + product : product.to(at::kFloat);
  }
  return bias.value.defined() ? at::baddbmm(along_last(bias, 3), x, transposed) : at::bmm(x, transposed);
}

at::Tensor linear(const at::Tensor& x, const LinearMap& map, const MapObserver& observer) {
  if (!observer && fused::serves(x, map)) return fused::linear(x, map);
  const auto in = factor(x);
  const auto slow = linear(in, map.weight, map.bias);
  if (!map.adapter) return slow;
  const auto& [a, b, scale, gain] = *map.adapter;
  if (observer) observer(*map.adapter, x, slow);
  const auto scaled = gain.defined() ? slow * gain.unsqueeze(1) : slow;
  if (!a.defined()) return scaled;
  if (const auto* there = low_rank_kernels(scaled, in, *map.adapter)) return add_low_rank(*there, scaled, in, *map.adapter);
  const auto low = factor(at::bmm(in, factor(a).transpose(1, 2)) * scale.view({-1, 1, 1})), up = factor(b).transpose(1, 2);
  return added_to(scaled, low, up);
}

at::Tensor layer_norm(const at::Tensor& x, const Parameter& weight, const Parameter& bias, double epsilon) {
  if (fused::serves(x)) return fused::layer_norm(x, weight.value, bias.value, epsilon);
  const auto normal = at::layer_norm(x, {x.size(-1)}, {}, {}, epsilon);
  return at::addcmul(along_last(bias, x.dim()), normal, along_last(weight, x.dim()));
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                     const at::Tensor& drop, at::Tensor* probabilities) {
  if (fused::serves(q)) return fused::attention(q, k, v, heads, drop, probabilities);
  if (factors_in_bfloat16() && q.scalar_type() == at::kFloat)
    return attention(factor(q), factor(k), factor(v), heads, drop, probabilities).to(at::kFloat);
  const auto R = q.size(0), B = q.size(1), T = q.size(2), width = q.size(3), d = width / heads;
  // bfloat16 is what flash attention is made for. On a GPU its backward may add in another order in each call: not for runs, which are repeated to the bit.
  if (q.scalar_type() == at::kBFloat16 && !q.is_cpu() && !drop.defined() && !probabilities && !factors_in_bfloat16()) {
    const auto by_head = [&](const at::Tensor& x) { return x.reshape({R * B, T, heads, d}).transpose(1, 2); };
    return at::scaled_dot_product_attention(by_head(q), by_head(k), by_head(v)).transpose(1, 2).reshape({R, B, T, width});
  }
  const auto split = [&](const at::Tensor& x) {
    return x.reshape({R, B, T, heads, d}).transpose(2, 3).reshape({R * B * heads, T, d});
  };
  const auto scores = at::bmm(split(q * (1.0 / std::sqrt(static_cast<double>(d)))), split(k).transpose(1, 2));
  auto weights = at::softmax(scores, -1);
  if (probabilities) *probabilities = weights.view({R, B, heads, T, T});
  if (drop.defined()) weights = weights * drop.view({R * B * heads, T, T}).to(weights.scalar_type());
  return at::bmm(weights, split(v)).view({R, B, heads, T, d}).transpose(2, 3).reshape({R, B, T, width});
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kQuickGelu:
      return fused::serves(x) ? fused::quick_gelu(x) : x * at::sigmoid(x * 1.702);
    case Activation::kGelu:
      return fused::serves(x) ? fused::gelu(x) : at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kRelu:
      return at::relu(x);
  }
  return x;
}

at::Tensor dropout_mask(const std::vector<RandomStream>& runs, const std::vector<std::int64_t>& shape, double p,
                        at::Device device) {
  std::vector<std::int64_t> whole{static_cast<std::int64_t>(runs.size())};
  whole.insert(whole.end(), shape.begin(), shape.end());
  const auto* there = kernels_for(device);
  auto mask = at::empty(whole, at::TensorOptions(at::kFloat).device(there ? device : at::kCPU));
  const std::int64_t n = mask.numel() / whole[0];
  // 16 random bits decide one element: p is met to 1 part in 65,536, and a block of 128 bits serves eight elements.
  const auto threshold = static_cast<std::uint32_t>(std::lround(p * 65536.0));
  const auto kept = static_cast<float>(1.0 / (1.0 - p));
  float* out = mask.data_ptr<float>();
  if (there) {
    std::vector<std::uint64_t> keys;
    for (const auto& run : runs) keys.push_back(run.key());
    launch(*there, mask.device(), "dropout", [&](void* stream) { return there->dropout(keys.data(), whole[0], threshold, kept, out, n, stream); });
    return mask;
  }
  for (std::size_t run = 0; run < runs.size(); ++run)
    kernels().dropout(runs[run].key(), threshold, kept, out + static_cast<std::int64_t>(run) * n, n);
  return mask.to(device);
}

at::Tensor pixel_loss(const at::Tensor& x, const at::Tensor& y, double l1) {
  const auto difference = (x - y).flatten(1);
  return difference.square().mean(1) + l1 * difference.abs().mean(1);
}

}  // namespace palimpsest
