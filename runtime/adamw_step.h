#pragma once

namespace palimpsest {

/// What AdamW does to one number at one step. On a device it lies as a row of a tensor of float32.
struct AdamWStep {
  float beta1, beta2, epsilon, step_size, decay, inverse_sqrt_correction2;
};

}  // namespace palimpsest
