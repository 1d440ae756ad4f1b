#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/adamw_step.h"
#include "runtime/optimizer.h"

namespace palimpsest {

/// AdamW (Loshchilov & Hutter 2019) with learning rate and weight decay per run. A parameter without gradient is left
/// alone, decay and all; one whose run axis is absent (shared) uses entry 0 of the per-run values.
class AdamW : public Optimizer {
 public:
  struct Options {
    std::vector<double> learning_rate;  // [R], or one for all
    std::vector<double> weight_decay;   // [R], or one for all
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;

    double rate_of(std::int64_t run) const { return of(learning_rate, run); }
    double decay_of(std::int64_t run) const { return of(weight_decay, run); }

   private:
    static double of(const std::vector<double>& values, std::int64_t run) {
      return values.size() == 1 ? values[0] : values.at(static_cast<std::size_t>(run));
    }
  };
  /// One parameter: its value (a leaf) and whether its first dimension is the run axis.
  struct Slot {
    at::Tensor value;
    bool own = false;
    bool decay = true;         // false: no weight decay for this one
    at::Tensor first, second;  // moments, made at the first step
  };

  AdamW(std::vector<Slot> slots, Options options) : slots_(std::move(slots)), options_(std::move(options)) {}
  void step() override;  // one pass over memory
  void zero_grad() override;
  Options& options() { return options_; }
  std::vector<Slot>& slots() { return slots_; }
  const std::vector<Slot>& slots() const { return slots_; }
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }  // on resuming, with the moments

 private:
  std::vector<AdamWStep> steps_of(const Slot& slot) const;

  std::vector<Slot> slots_;
  Options options_;
  std::int64_t steps_ = 0;
};

/// A step of one parameter by LibTorch's operations, on any device; `gradient` contiguous, `steps` of its runs.
void step_by_operations(AdamW::Slot& slot, const at::Tensor& gradient, const std::vector<AdamWStep>& steps);

}  // namespace palimpsest
