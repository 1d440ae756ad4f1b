#pragma once

// What images evoke in the networks of a pack. R runs, V variants, I images, Q read-outs (those wanted), L layers, C width, K patches.

#include <vector>

#include "models/fast_weights.h"
#include "sweeps/read_out.h"

namespace palimpsest {

/// What of it is wanted; less is quicker.
struct Wanted {
  bool features = false, maps = false, heads = false, rebuilt = false;
  std::vector<ReadOut> readouts;
  at::Tensor figure = {};                       // [R, I, K] share of each patch that lies on the figure; for read-outs by the figure
};

/// On the CPU, wherever the network is.
struct Evoked {
  at::Tensor features;   // [R, Q, L, V, I, C], float64
  at::Tensor maps;       // [R, Q, L, V, I, K], float64: attention to the patches, mean over heads
  at::Tensor head_maps;  // [R, Q, L H, V, I, K], float64: of each of the H heads of a layer
  at::Tensor rebuilt;    // [R, V, I, 3, S, S] in [0, 1]
};

/// images [R, V, I, 3, S, S] in [0, 1], the first variant being the clean images.
Evoked evoked(const FastNetwork&, const at::Tensor& images, const Wanted&);

/// [R, B, 3, S, S] -> the output tokens of the last block, [R, B, T, C].
at::Tensor encoded(const FastNetwork&, const at::Tensor& images);
/// Those -> what the decoder makes of them by patch, before a sigmoid; `drop`: of each of its layers while training, else empty.
at::Tensor decoded(const FastNetwork&, const at::Tensor& tokens, const std::vector<BlockDropout>& drop);
/// Clean images [R, B, 3, S, S] -> their reconstructions. Where the decoder gives patches by their own mean and standard deviation, it is given these.
at::Tensor rebuilt(const FastNetwork&, const at::Tensor& images);

}  // namespace palimpsest
