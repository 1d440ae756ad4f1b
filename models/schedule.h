#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace palimpsest {

/// A learning rate that rises linearly to `peak` over the warm-up, then falls as half a cosine to 0 at the end. Steps count from 0.
struct Schedule {
  double peak = 1e-3;
  std::int64_t warmup = 200, steps = 4000;

  double at(std::int64_t step) const {
    const std::int64_t rising = std::min(warmup, steps);
    if (step < rising) return peak * static_cast<double>(step + 1) / static_cast<double>(rising);
    const double done = static_cast<double>(step - rising) / static_cast<double>(steps - rising);
    return peak * 0.5 * (1 + std::cos(std::numbers::pi * done));
  }
};

}  // namespace palimpsest
