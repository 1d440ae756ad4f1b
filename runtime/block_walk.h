#pragma once

// A transformer block of one run on plain arrays, a few images at a time, so that what it makes of them stays in the
// cache. Rows are images times T tokens; C width, F width inside the feed-forward part, H heads.

#include <cstdint>

#include "runtime/kernels.h"
#include "runtime/linear_map.h"
#include "runtime/scratch.h"

namespace palimpsest {

struct NormView {
  const float *weight, *bias;
  float *d_weight, *d_bias;
};

struct BlockShape {
  std::int64_t T, C, F, heads;
  std::int64_t asking;  // the first of T tokens go on beyond attention: all but in measurements
  bool norm_first;  // norms before attention and feed-forward part (CLIP); else after each, with the residual
  float epsilon;
  decltype(Kernels::quick_gelu) activation;
  decltype(Kernels::quick_gelu_backward) activation_backward;
};

/// The weights of one run.
struct BlockView {
  MapView qkv, output, mlp_in, mlp_out;
  NormView norm1, norm2;
};

/// Weights as products read them, for one direction.
struct PackedBlock {
  PackedBlock(const BlockView& block, bool forward, Scratch& scratch);
  PackedMap qkv, output, mlp_in, mlp_out;
};

/// Dropout multipliers, each null or of the rows at hand: [images, H, asking, T], [rows, C], [rows, F], [rows, C].
struct BlockDrops {
  const float *weights = nullptr, *attended = nullptr, *inside = nullptr, *fed = nullptr;
};

/// What a block makes of some rows on its way.
struct BlockActivations {
  float* normal1;              // [rows, C] after norm1, where norms come first
  float *moments1, *moments2;  // [rows, 2] of the norms
  float* qkv;                  // [rows, 3 C]
  float* probabilities;        // [images, H, asking, T], or null
  float *heads, *attended;     // [rows, C] heads side by side; x + output map of them
  float* normal2;              // [rows, C] what goes into the feed-forward part
  float *inside, *active;      // [rows, F] before and after activation; may be one in forward_block
  float* fed;                  // [rows, C] before the last norm, where norms come last
};

/// What attention gives to the tokens that ask: `heads` of x [images, T, C].
void forward_attention(const BlockShape& shape, const PackedBlock& packed, const BlockView& block, std::int64_t images,
                       const float* x, const BlockDrops& drops, const BlockActivations& made);

/// The rest of the block, row by row: out [rows, C] of x [rows, C] and `heads`.
void forward_rest(const BlockShape& shape, const PackedBlock& packed, const BlockView& block, std::int64_t rows,
                  const float* x, const BlockDrops& drops, const BlockActivations& made, float* out);

/// dx [rows, C] of d_out, and the gradients of the weights: set where `first`, else added to.
void backward_block(const BlockShape& shape, const PackedBlock& packed, const BlockView& block, std::int64_t images,
                    const float* x, const BlockDrops& drops, const BlockActivations& made, const float* d_out,
                    float* dx, bool first, Scratch& scratch);

}  // namespace palimpsest
