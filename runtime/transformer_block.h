#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/run_axis.h"

namespace palimpsest {

/// A layer of a transformer: attention and a feed-forward part, each with a residual (Vaswani et al. 2017).
struct TransformerBlock {
  std::vector<LinearMap> qkv;  // query, key, value; or one map to 3 C
  LinearMap output, mlp_in, mlp_out;
  Norm norm1, norm2;
  std::int64_t heads = 1;
  Activation activation = Activation::kGelu;
  double epsilon = 1e-5;
  bool norm_first = true;  // norms before attention and feed-forward part; else after each, with the residual

  // What only experiments ask for, by plain operations.
  at::Tensor head_gain;            // [R, H] multiplies what each head gives; undefined: 1
  bool double_projection = false;  // queries, keys and values are multiplied by W a second time
  MapObserver observer;            // of maps with an adapter
};

/// Multipliers of dropout: of attention's probabilities [R, B, H, T, T], after attention [R, B, T, C], inside and after
/// the feed-forward part. All defined or none.
struct BlockDropout {
  at::Tensor weights, attended, inside, fed;
};

/// x [R, B, T, C] -> [R, B, T, C]. On a CPU in float32 as one function forward and one backward, run after run and a
/// few images at a time; elsewhere by plain operations. `probabilities`: as in attention().
at::Tensor transformer_block(const at::Tensor& x, const TransformerBlock& block, const BlockDropout& drop = {},
                             at::Tensor* probabilities = nullptr);

/// Of what it gives only the first `tokens` tokens, [R, B, tokens, C], and of the probabilities their rows [R, B, H,
/// tokens, T]; in kernels the others are not computed, and those are the same bits. No gradients.
at::Tensor first_tokens(const at::Tensor& x, std::int64_t tokens, const TransformerBlock& block,
                        at::Tensor* probabilities = nullptr);

}  // namespace palimpsest
