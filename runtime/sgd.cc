#include "runtime/sgd.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace palimpsest {
namespace {

double per_run(const std::vector<double>& values, std::int64_t run) {
  return values.size() == 1 ? values[0] : values.at(static_cast<std::size_t>(run));
}

}  // namespace

void Sgd::step() {
  const at::NoGradGuard no_gradient;
  for (auto& slot : slots_) {
    const auto gradient = slot.value.grad();
    if (!gradient.defined()) continue;
    for (std::int64_t run = 0; run < (slot.own ? slot.value.size(0) : 1); ++run) {
      auto value = slot.own ? slot.value[run] : slot.value;
      const double rate = per_run(options_.learning_rate, run);
      if (slot.decay) value.mul_(1.0 - rate * per_run(options_.weight_decay, run));
      value.sub_(slot.own ? gradient[run] : gradient, rate);
    }
  }
}

void Sgd::zero_grad() {
  for (auto& slot : slots_) slot.value.mutable_grad().reset();
}

}  // namespace palimpsest
