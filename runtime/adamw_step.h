#pragma once

namespace palimpsest {

/// What AdamW does to one number at one step.
struct AdamWStep {
  float beta1, beta2, epsilon, step_size, decay, inverse_sqrt_correction2;
};

}  // namespace palimpsest
