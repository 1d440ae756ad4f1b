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
  void step() override { prepare(), apply(), count(); }
  /// The same in three parts, where a step is recorded and done again (step_graph.h): what is new at this step is brought to
  /// where the parameters are; all the work, one pass over memory, which reads it there; the step counts.
  void prepare();
  void apply();
  void count() { ++steps_; }
  void zero_grad() override;
  Options& options() { return options_; }
  std::vector<Slot>& slots() { return slots_; }
  const std::vector<Slot>& slots() const { return slots_; }
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }  // on resuming, with the moments

 private:
  std::vector<AdamWStep> next_steps(std::int64_t runs, bool decay) const;

  std::vector<Slot> slots_;
  Options options_;
  std::int64_t steps_ = 0;
  at::Tensor there_;  // [2, R, 6], of parameters that are not the CPU's: rows of what the runs do next, without and with decay
};

/// [n, 6]
at::Tensor rows_of(const std::vector<AdamWStep>& steps);

/// A step of one parameter by LibTorch's operations, on any device; `gradient` contiguous, `steps` [runs, 6] there.
void step_by_operations(AdamW::Slot& slot, const at::Tensor& gradient, const at::Tensor& steps, const AdamW::Options& options);

}  // namespace palimpsest
