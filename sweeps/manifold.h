#pragma once

#include "sweeps/familiarity_metric.h"

namespace palimpsest {

/// Variants by noise level: [R, Q, L, V, I, C] -> [R, Q, L, N, P, I, C]. Variant 0 is clean, then level by level the patterns; level 0 is the
/// clean images `patterns` times.
at::Tensor by_level(const at::Tensor& variants, std::int64_t levels, std::int64_t patterns);

/// Relative distances of responses [R, Q, L, N, P, I, C], each [R, L, N - 1, Q] for the levels above 0 (familiarity.md 4.4): manifold.level,
/// .residual, .signal (sample-centric), .to_clean, .centroid_level, .centroid_residual. `unbiased`: a sample's distance to itself is left
/// out, and variances are divided by n - 1.
MetricValues manifold(const at::Tensor& by_level, bool unbiased);

}  // namespace palimpsest
