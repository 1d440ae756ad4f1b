#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/fast_weights.h"
#include "sweeps/familiarity_images.h"
#include "sweeps/study.h"

namespace palimpsest {

/// Familiarity training with fast weights (arXiv 2508.04988): a few images are learned over and over by an autoencoder
/// whose q, k and v change by low-rank adapters, in full or not at all; what familiar and novel, clean and noisy images
/// evoke is measured on the way.
extern const Study kFamiliarityStudy;

/// The keys of a familiarity run as the code reads them; parsed once.
struct FamiliarityConfig {
  std::string slow_weights, start_file;
  std::int64_t slow_heads = 0;
  std::int64_t epochs = 100;
  double learning_rate = 1e-4, weight_decay = 0.01, l1 = 0.1;
  Qkv qkv = Qkv::kAdapter;
  std::vector<std::string> targets;
  std::int64_t rank = 8;
  double scale = 4;    // alpha / rank
  std::string layers;  // a word or numbers; see layers_of
  std::int64_t count = 4;
  NoiseConfig noise;
  std::vector<std::int64_t> coarse, fine;  // epochs of all measurements; of the manifold's
  bool centre_on_reference = true;
};
FamiliarityConfig parse_familiarity(const Settings&);

/// Blocks with adapters: "all", "early", "late", "alternate", or numbers "0,2,5". Throws InputError for a block that
/// does not exist.
std::vector<std::int64_t> layers_of(const std::string& words, std::int64_t depth);

/// The decoder that goes with an encoder, by the keys "decoder.*". Throws InputError.
DecoderConfig familiarity_decoder(const Settings&, const VitConfig& encoder);

/// Slow weights, read once in a process; metadata "content" holds the file's hash.
std::shared_ptr<const SlowWeights> shared_slow_weights(const FamiliarityConfig&);

void run_familiarity_pack(const std::vector<RunSpec>&, const PackContext&);
std::uint64_t probe_familiarity_memory(const RunSpec&);

}  // namespace palimpsest
