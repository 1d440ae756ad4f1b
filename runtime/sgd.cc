#include "runtime/sgd.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace palimpsest {
void Sgd::step() {
  const at::NoGradGuard no_gradient;
  for (auto& slot : slots_) {
    const auto gradient = slot.value.grad();
    if (!gradient.defined()) continue;
    for (std::int64_t run = 0; run < (slot.own ? slot.value.size(0) : 1); ++run) {
      auto value = slot.own ? slot.value[run] : slot.value;
      const double rate = options_.rate_of(run);
      if (slot.decay) value.mul_(1.0 - rate * options_.decay_of(run));
      value.sub_(slot.own ? gradient[run] : gradient, rate);
    }
  }
}

void Sgd::zero_grad() {
  for (auto& slot : slots_) slot.value.mutable_grad().reset();
}

}  // namespace palimpsest
