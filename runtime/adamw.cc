#include "runtime/adamw.h"

#include <cmath>

#include <ATen/ATen.h>

#include "runtime/kernels.h"

namespace palimpsest {
namespace {

double per_run(const std::vector<double>& values, std::int64_t run) {
  return values.size() == 1 ? values[0] : values.at(static_cast<std::size_t>(run));
}

}  // namespace

void AdamW::step() {
  ++steps_;
  const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(options_.beta2, static_cast<double>(steps_));
  for (auto& slot : slots_) {
    const auto gradient = slot.value.grad();
    if (!gradient.defined()) continue;
    if (!slot.first.defined()) {
      slot.first = at::zeros_like(slot.value.detach(), at::MemoryFormat::Contiguous);
      slot.second = at::zeros_like(slot.first);
    }
    const auto contiguous = gradient.contiguous();
    const std::int64_t runs = slot.own ? slot.value.size(0) : 1;
    const std::int64_t n = slot.value.numel() / runs;
    for (std::int64_t run = 0; run < runs; ++run) {
      const double rate = per_run(options_.learning_rate, run);
      const double decay = slot.decay ? per_run(options_.weight_decay, run) : 0.0;
      const AdamWStep c{static_cast<float>(options_.beta1),     static_cast<float>(options_.beta2),
                        static_cast<float>(options_.epsilon),   static_cast<float>(rate / correction1),
                        static_cast<float>(1.0 - rate * decay), static_cast<float>(1.0 / std::sqrt(correction2))};
      const std::int64_t at = run * n;
      kernels().adamw(slot.value.data_ptr<float>() + at, contiguous.data_ptr<float>() + at,
                      slot.first.data_ptr<float>() + at, slot.second.data_ptr<float>() + at, n, c);
    }
  }
}

void AdamW::zero_grad() {
  for (auto& slot : slots_) slot.value.mutable_grad().reset();
}

}  // namespace palimpsest
