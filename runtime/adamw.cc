#include "runtime/adamw.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "runtime/device_launch.h"
#include "runtime/kernels.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kNumbers = sizeof(AdamWStep) / sizeof(float);

// One parameter's runs after another in vectors.
void step_on_host(AdamW::Slot& slot, const at::Tensor& gradient, const std::vector<AdamWStep>& steps) {
  const auto n = slot.value.numel() / std::ssize(steps);
  std::int64_t at = 0;
  for (const auto& step : steps) {
    kernels().adamw(slot.value.data_ptr<float>() + at, gradient.data_ptr<float>() + at, slot.first.data_ptr<float>() + at,
                    slot.second.data_ptr<float>() + at, n, step);
    at += n;
  }
}

}  // namespace

at::Tensor rows_of(const std::vector<AdamWStep>& steps) {
  auto rows = at::empty({std::ssize(steps), kNumbers}, at::kFloat);
  std::copy(steps.begin(), steps.end(), reinterpret_cast<AdamWStep*>(rows.data_ptr<float>()));
  return rows;
}

void step_by_operations(AdamW::Slot& slot, const at::Tensor& gradient, const at::Tensor& steps, const AdamW::Options& options) {
  const at::NoGradGuard no_gradient;
  const auto runs = steps.size(0);
  const auto beta1 = static_cast<float>(options.beta1), beta2 = static_cast<float>(options.beta2);
  const auto rows = [&](const at::Tensor& t) { return t.detach().view({runs, -1}); };
  const auto of_runs = [&](std::size_t offset) { return steps.slice(1, static_cast<std::int64_t>(offset / sizeof(float))).slice(1, 0, 1); };  // [runs, 1]
  const auto g = gradient.view({runs, -1});
  const auto first = rows(slot.first).lerp_(g, 1.0f - beta1);
  const auto second = rows(slot.second).mul_(beta2).addcmul_(g, g, 1.0f - beta2);
  const auto scale = second.sqrt().mul_(of_runs(offsetof(AdamWStep, inverse_sqrt_correction2))).add_(options.epsilon);
  rows(slot.value).mul_(of_runs(offsetof(AdamWStep, decay))).sub_(first / scale * of_runs(offsetof(AdamWStep, step_size)));
}

namespace {

void step_on_device(AdamW::Slot& slot, const at::Tensor& gradient, const at::Tensor& steps, const AdamW::Options& options) {
  const auto device = slot.value.device();
  const auto* kernels = kernels_for(device);
  if (!kernels) return step_by_operations(slot, gradient, steps, options);
  const auto runs = steps.size(0);
  launch(*kernels, device, "adamw", [&](void* stream) {
    return kernels->adamw(slot.value.data_ptr<float>(), gradient.data_ptr<float>(), slot.first.data_ptr<float>(), slot.second.data_ptr<float>(),
                          runs, slot.value.numel() / runs, reinterpret_cast<const AdamWStep*>(steps.data_ptr<float>()), stream);
  });
}

std::int64_t runs_of(const AdamW::Slot& slot) { return slot.own ? slot.value.size(0) : 1; }

}  // namespace

void AdamW::prepare() {
  const auto elsewhere = std::ranges::find_if(slots_, [](const Slot& slot) { return !slot.value.is_cpu(); });
  if (elsewhere == slots_.end()) return;
  std::int64_t runs = 1;
  for (const auto& slot : slots_) runs = std::max(runs, runs_of(slot));
  auto next = next_steps(runs, false);
  const auto decaying = next_steps(runs, true);
  next.insert(next.end(), decaying.begin(), decaying.end());
  auto rows = rows_of(next).view({2, runs, kNumbers});
  const auto device = elsewhere->value.device();
  if (device.is_cuda()) rows = rows.pin_memory();  // the host goes on meanwhile; LibTorch keeps it until it is there
  if (there_.defined() && there_.size(1) == runs) there_.copy_(rows, /*non_blocking=*/true);
  else there_ = rows.to(device, /*non_blocking=*/true);
}

void AdamW::apply() {
  for (auto& slot : slots_) {
    if (!slot.value.grad().defined()) continue;
    if (!slot.first.defined()) {
      slot.first = at::zeros_like(slot.value.detach(), at::MemoryFormat::Contiguous);
      slot.second = at::zeros_like(slot.first);
    }
    const auto gradient = slot.value.grad().contiguous();
    const auto runs = runs_of(slot);
    if (slot.value.is_cpu()) step_on_host(slot, gradient, next_steps(runs, slot.decay));
    else step_on_device(slot, gradient, there_[slot.decay ? 1 : 0].slice(0, 0, runs), options_);
  }
}

// Of each run; a parameter that the runs share takes the first.
std::vector<AdamWStep> AdamW::next_steps(std::int64_t runs, bool decays) const {
  const auto step = static_cast<double>(steps_ + 1);
  const double correction1 = 1.0 - std::pow(options_.beta1, step), correction2 = 1.0 - std::pow(options_.beta2, step);
  std::vector<AdamWStep> out;
  for (std::int64_t run = 0; run < runs; ++run) {
    const double rate = options_.rate_of(run);
    const double decay = decays ? options_.decay_of(run) : 0.0;
    out.push_back({static_cast<float>(options_.beta1),     static_cast<float>(options_.beta2),
                   static_cast<float>(options_.epsilon),   static_cast<float>(rate / correction1),
                   static_cast<float>(1.0 - rate * decay), static_cast<float>(1.0 / std::sqrt(correction2))});
  }
  return out;
}

void AdamW::zero_grad() {
  for (auto& slot : slots_) slot.value.mutable_grad().reset();
}

}  // namespace palimpsest
