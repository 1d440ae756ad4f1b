#include "runtime/adamw.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "runtime/device_launch.h"
#include "runtime/kernels.h"

namespace palimpsest {
namespace {

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

void step_by_operations(AdamW::Slot& slot, const at::Tensor& gradient, const std::vector<AdamWStep>& steps) {
  const at::NoGradGuard no_gradient;
  const auto runs = std::ssize(steps);
  const auto rows = [&](const at::Tensor& t) { return t.detach().view({runs, -1}); };
  const auto of_runs = [&](float AdamWStep::*member) {
    std::vector<float> values;
    for (const auto& step : steps) values.push_back(step.*member);
    return at::tensor(values).to(gradient.device()).unsqueeze(1);
  };
  const auto g = gradient.view({runs, -1});
  const auto first = rows(slot.first).lerp_(g, 1.0 - steps.front().beta1);
  const auto second = rows(slot.second).mul_(steps.front().beta2).addcmul_(g, g, 1.0 - steps.front().beta2);
  const auto scale = second.sqrt().mul_(steps.front().inverse_sqrt_correction2).add_(steps.front().epsilon);
  rows(slot.value).mul_(of_runs(&AdamWStep::decay)).sub_(first / scale * of_runs(&AdamWStep::step_size));
}

namespace {

void step_on_device(AdamW::Slot& slot, const at::Tensor& gradient, const std::vector<AdamWStep>& steps) {
  const auto device = slot.value.device();
  const auto* kernels = kernels_for(device);
  if (!kernels) return step_by_operations(slot, gradient, steps);
  launch(*kernels, device, "adamw", [&] {
    return kernels->adamw(slot.value.data_ptr<float>(), gradient.data_ptr<float>(), slot.first.data_ptr<float>(), slot.second.data_ptr<float>(),
                          std::ssize(steps), slot.value.numel() / std::ssize(steps), steps.data());
  });
}

}  // namespace

void AdamW::step() {
  ++steps_;
  for (auto& slot : slots_) {
    if (!slot.value.grad().defined()) continue;
    if (!slot.first.defined()) {
      slot.first = at::zeros_like(slot.value.detach(), at::MemoryFormat::Contiguous);
      slot.second = at::zeros_like(slot.first);
    }
    (slot.value.is_cpu() ? step_on_host : step_on_device)(slot, slot.value.grad().contiguous(), steps_of(slot));
  }
}

// Of each run; one where the runs share the parameter.
std::vector<AdamWStep> AdamW::steps_of(const Slot& slot) const {
  const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(options_.beta2, static_cast<double>(steps_));
  std::vector<AdamWStep> out;
  for (std::int64_t run = 0; run < (slot.own ? slot.value.size(0) : 1); ++run) {
    const double rate = options_.rate_of(run);
    const double decay = slot.decay ? options_.decay_of(run) : 0.0;
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
