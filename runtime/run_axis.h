#pragma once

// The run axis. R runs in the pack, M rows (images times tokens), B images, T tokens, H heads, C width in, D width out,
// r adapter rank.
//
// Every activation leads with R. A parameter is *shared* (no run axis: one copy serves all runs) or *own* (leading R).
// Nothing reduces over R, and on a CPU each run's numbers come from the same operations in the same order whatever R
// is: the same bits.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/random_stream.h"

namespace palimpsest {

/// One weight of a model. Own: value is [R, shape...]; shared: [shape...].
struct Parameter {
  at::Tensor value;
  bool own = false;
};

/// The weights of a model by name, in a fixed order (sorted).
using Parameters = std::map<std::string, Parameter>;

/// Fast weights of one linear map: y = gain (W x + b) + s B (A x) (Hu et al., LoRA, 2021). Own by nature. Rows of a and
/// columns of b beyond a run's own rank are zero and stay exactly zero.
struct Adapter {
  at::Tensor a, b, scale;  // [R, r, C], [R, D, r], [R]; undefined where only gains change
  at::Tensor gain;         // [R, D]; undefined: 1
};

/// Is told the input [R, M, C] of each map with an adapter and its slow response W x + b [R, M, D]: what local learning
/// rules see.
using MapObserver = std::function<void(const Adapter&, const at::Tensor& x, const at::Tensor& slow)>;

/// y = W x + b + s B (A x).  weight [D, C], bias [D] or undefined; each may be own.
struct LinearMap {
  Parameter weight, bias;
  std::optional<Adapter> adapter;
};

/// Weight and bias [C] of a LayerNorm.
struct Norm {
  Parameter weight, bias;
};

/// `count` copies of a shared tensor as an own one: [shape...] -> [R, shape...].
at::Tensor own_copies(const at::Tensor& value, std::int64_t count);

/// y = x W^T + b.  x [R, M, C], weight [D, C] or own [R, D, C], bias [D] or own [R, D] or undefined; returns [R, M, D].
at::Tensor linear(const at::Tensor& x, const Parameter& weight, const Parameter& bias);
at::Tensor linear(const at::Tensor& x, const LinearMap& map, const MapObserver& observer = {});

/// Over the last dimension, with weight and bias of [C] or own [R, C].  x [R, ..., C].
at::Tensor layer_norm(const at::Tensor& x, const Parameter& weight, const Parameter& bias, double epsilon);

/// Softmax(q k^T / sqrt(d)) v over heads.  q, k, v [R, B, T, H d]; returns [R, B, T, H d].
///   drop           [R, B, H, T, T] that multiplies the probabilities (0 or 1 / (1 - p)), or undefined
///   probabilities  where not null: receives [R, B, H, T, T], before dropping
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t heads,
                     const at::Tensor& drop = {}, at::Tensor* probabilities = nullptr);

enum class Activation { kQuickGelu, kGelu, kGeluTanh, kRelu };
at::Tensor activate(const at::Tensor& x, Activation);

/// Inverted-dropout multipliers, 0 with probability p else 1 / (1 - p), a function of each run's stream alone.  [R,
/// shape...] on `device`, the same bits on each.
at::Tensor dropout_mask(const std::vector<RandomStream>& runs, const std::vector<std::int64_t>& shape, double p,
                        at::Device device = at::kCPU);

/// mean((x - y)^2) + l1 mean(|x - y|) over all but the run axis: [R].
at::Tensor pixel_loss(const at::Tensor& x, const at::Tensor& y, double l1);

}  // namespace palimpsest
