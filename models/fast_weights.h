#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "models/slow_weights.h"
#include "models/vit_encoder.h"
#include "runtime/adamw.h"

namespace palimpsest {

/// What changes in the query, key and value maps of every block; everything else of the autoencoder trains (arXiv 2508.04988, 1.3).
enum class Qkv {
  kAdapter,  // W and b frozen, a low-rank update trains
  kFull,     // W and b train
  kFrozen,   // nothing
};

/// The fast weights of one run of a pack.
struct FastConfig {
  std::int64_t rank = 8;
  double scale = 4;                        // alpha / rank
  std::vector<std::int64_t> layers;        // blocks that have adapters
  RandomStream adapters{0}, decoder{0};    // of their first values: apart, so that conditions of one seed start with equal decoders
};

/// An autoencoder of R runs over one copy of slow weights: what trains is each run's own, what does not is shared.
struct FastNetwork {
  Parameters encoder_weights, decoder_weights;
  VitEncoder encoder;
  Decoder decoder;
  std::vector<AdamW::Slot> trained;        // leaves that require gradients, in a fixed order
};

/// Ranks of a pack are padded to a multiple of this, whoever is in the pack: a run's products keep their shapes in any company.
constexpr std::int64_t kRankStep = 8;
std::int64_t padded_rank(std::int64_t rank);

/// `targets`: any of "query", "key", "value", "output". The decoder is fresh. A and B as in LoRA: A uniform in +-1/sqrt(C), B zero.
FastNetwork build_fast_network(const SlowWeights& slow, const DecoderConfig& decoder, Qkv qkv, const std::vector<std::string>& targets,
                               const std::vector<FastConfig>& runs);

}  // namespace palimpsest
