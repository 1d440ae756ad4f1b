#include "runtime/low_rank.h"

#include <mutex>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "runtime/device_launch.h"
#include "runtime/log.h"
#include "runtime/low_rank_pass.h"

namespace palimpsest {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

bool wanted = false;  // of this process

const float* data(const at::Tensor& t) { return t.const_data_ptr<float>(); }

// A [R, r, C] and B [R, D, r] as they lie.
LowRankFactor factor_a(const at::Tensor& a) { return {data(a), a.size(2), 1}; }
LowRankFactor factor_b(const at::Tensor& b) { return {data(b), 1, b.size(2)}; }

LowRankPass pass_from(const at::Tensor& in, const LowRankFactor& first, const LowRankFactor& second, const at::Tensor& a, const at::Tensor& scale, std::int64_t width_out) {
  LowRankPass pass;
  pass.runs = in.size(0), pass.rows = in.size(1), pass.rank = a.size(1), pass.width_in = in.size(2), pass.width_out = width_out;
  pass.scale = data(scale), pass.in = data(in), pass.first = first, pass.second = second;
  return pass;
}

void launch_pass(const DeviceKernels& kernels, const at::Tensor& where, const LowRankPass& pass) {
  launch(kernels, where.device(), "low_rank", [&](void* stream) { return kernels.low_rank(pass, stream); });
}

// With the gradient of what `like` is, r x width_out, against rows [R, M, width_out].
at::Tensor launch_with_gradient(const DeviceKernels& kernels, LowRankPass pass, const at::Tensor& against, const at::Tensor& like) {
  auto gradient = at::empty_like(like);
  const auto parts = at::empty({pass.runs, pieces_of(pass.rows), pass.rank * pass.width_out}, like.options());
  pass.against = data(against), pass.gradient = gradient.mutable_data_ptr<float>(), pass.parts = parts.mutable_data_ptr<float>();
  launch_pass(kernels, against, pass);
  return gradient;
}

struct AddLowRank : Function<AddLowRank> {
  static at::Tensor compute(const DeviceKernels& kernels, const at::Tensor& sum, const at::Tensor& x, const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale) {
    auto out = at::empty_like(sum);
    auto pass = pass_from(x, factor_a(a), factor_b(b), a, scale, sum.size(2));
    pass.sum = data(sum), pass.out = out.mutable_data_ptr<float>();
    launch_pass(kernels, x, pass);
    return out;
  }
  static at::Tensor forward(AutogradContext* context, const at::Tensor& sum, const at::Tensor& x, const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale,
                            const DeviceKernels* kernels) {
    context->save_for_backward({x, a, b, scale});
    context->saved_data["kernels"] = reinterpret_cast<std::int64_t>(kernels);   // they stay as long as the program
    return compute(*kernels, sum, x, a, b, scale);
  }
  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto& kernels = *reinterpret_cast<const DeviceKernels*>(context->saved_data["kernels"].toInt());
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &a = saved[1], &b = saved[2], &scale = saved[3];
    const auto dy = d_out[0].contiguous();
    at::Tensor dx, da, db;
    auto down = pass_from(dy, factor_b(b), factor_a(a), a, scale, x.size(2));
    if (context->needs_input_grad(1)) dx = at::empty_like(x), down.out = dx.mutable_data_ptr<float>();
    if (context->needs_input_grad(2)) da = launch_with_gradient(kernels, down, x, a);
    else if (dx.defined()) launch_pass(kernels, x, down);
    if (context->needs_input_grad(3)) db = launch_with_gradient(kernels, pass_from(x, factor_a(a), factor_b(b), a, scale, dy.size(2)), dy, b);
    return {dy, dx, da, db, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

void fuse_adapters_on_gpus(bool on) { wanted = on; }

bool fuses_adapters(c10::Device device) {
  if (!wanted || !device.is_cuda()) return false;
  if (kernels_for(device)) return true;
  static std::once_flag said;
  std::call_once(said, [&] { log().warn("adapters are not fused: libpalimpsest_cuda.so cannot be loaded, or has no code for {}", device.str()); });
  return false;
}

const DeviceKernels* low_rank_kernels(const at::Tensor& sum, const at::Tensor& x, const Adapter& adapter) {
  if (!wanted || adapter.a.size(1) > kMostLowRank || adapter.scale.requires_grad()) return nullptr;
  for (const auto* t : {&sum, &x, &adapter.a, &adapter.b, &adapter.scale})
    if (t->scalar_type() != at::kFloat) return nullptr;
  return kernels_for(x.device());
}

at::Tensor add_low_rank(const DeviceKernels& kernels, const at::Tensor& given_sum, const at::Tensor& given_x, const Adapter& adapter) {
  const auto sum = given_sum.contiguous(), x = given_x.contiguous(), a = adapter.a.contiguous(), b = adapter.b.contiguous(), scale = adapter.scale.contiguous();
  const bool differentiate = at::GradMode::is_enabled() && (sum.requires_grad() || x.requires_grad() || a.requires_grad() || b.requires_grad());
  return differentiate ? AddLowRank::apply(sum, x, a, b, scale, &kernels) : AddLowRank::compute(kernels, sum, x, a, b, scale);
}

}  // namespace palimpsest
