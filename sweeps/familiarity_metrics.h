#pragma once

// R runs, Q read-outs, L layers, V variants, N noise levels, P patterns, I images, C width, K patches. All float64:
// what is compared are small differences of long vectors.

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// What a network says about the images of a set. Variant 0 is clean; then level by level the patterns of noise.
struct Responses {
  at::Tensor features;  // [R, Q, L, V, I, C]
  at::Tensor maps;  // [R, Q, L, V, I, K]: attention to the patches, mean over heads, not renormalised; undefined if not
                    // asked for
};

/// Values of each metric, [R, L, N, Q] or, without noise axis, [R, L, Q].
using MetricValues = std::map<std::string, at::Tensor>;

/// Features by noise level: [R, Q, L, V, I, C] -> [R, Q, L, N, P, I, C]; level 0 is the clean images `patterns` times.
at::Tensor by_level(const at::Tensor& variants, std::int64_t levels, std::int64_t patterns);

/// alignment.* (familiarity.md 4.1): a layer's noisy response beside the clean top layer's. `centre` [R, Q, L, C] is
/// the mean response to the reference images, taken off both sides for alignment.centred; undefined: each side's mean
/// over its own images.
MetricValues alignment(const at::Tensor& features_by_level, const at::Tensor& centre);

/// manifold.* (4.4, sample-centric): relative level and residual distances for the levels above 0, [R, L, N - 1, Q].
MetricValues manifold(const at::Tensor& features_by_level);

/// attention.scope and .half_max_area (4.3) of maps by level.
MetricValues attention_scope(const at::Tensor& maps_by_level);

/// sparseness.* and activity.* (4.5) of the clean images, [R, L, Q].
MetricValues sparseness(const at::Tensor& features_by_level);

}  // namespace palimpsest
