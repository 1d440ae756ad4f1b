#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "models/slow_weights.h"
#include "models/vit_encoder.h"
#include "runtime/adamw.h"

namespace palimpsest {

/// What changes in the target maps (query, key and value of every block in arXiv 2508.04988, 1.3).
enum class Qkv {
  kAdapter,  // W and b frozen, a low-rank update learns
  kGain,     // W and b frozen, a multiplier for each unit learns
  kFull,     // W and b train
  kFrozen,   // nothing
};

/// What trains besides. All: everything the target maps leave. Everything: these too, under the fast weights. Norms: LayerNorms and the decoder.
enum class Rest { kEverything, kAll, kNorms, kDecoder, kNothing };

/// First values of adapters.
enum class FirstValues {
  kKaiming,      // A uniform in +-1/sqrt(C), B zero (LoRA)
  kGaussian,     // A normal with the same variance
  kOrthogonal,   // rows of A orthogonal, of the same length on average
  kSwapped,      // A zero, B uniform in +-1/sqrt(r)
};

/// What the runs of a pack have in common.
struct FastForm {
  Qkv qkv = Qkv::kAdapter;
  Rest rest = Rest::kAll;
  std::vector<std::string> targets;        // of adapter_targets()
  bool by_gradient = true;                 // false: a local rule writes the adapters, no gradient is kept for them
  bool slow_decoder = false;               // the decoder begins as the slow weights' own; else fresh, from each run's stream
  bool train_decoder = true;               // false: it stays as it begins
  bool mask_token = false;                 // the decoder has one: the loss asks for hidden patches
  bool normalised_pixels = false;          // it gives each patch by its own mean and standard deviation (PatchScale)
  bool own_slow = false;                   // each run has its own copy of the maps under its adapters: they can be consolidated
};

/// The fast weights of one run of a pack.
struct FastConfig {
  std::int64_t rank = 8;
  double scale = 4;                        // of the update: alpha / rank
  FirstValues first_values = FirstValues::kKaiming;
  std::vector<std::int64_t> layers;        // blocks that have adapters
  RandomStream adapters{0}, decoder{0};    // of their first values: apart, so that conditions of one seed start with equal decoders
};

/// One adapted map, by name.
struct FastMap {
  std::int64_t layer;
  std::string target;
};

/// An autoencoder of R runs over one copy of slow weights: what trains is each run's own, what does not is shared.
struct FastNetwork {
  Parameters encoder_weights, decoder_weights;
  VitEncoder encoder;
  Decoder decoder;
  std::vector<AdamW::Slot> fast, rest;     // leaves that require gradients, in a fixed order: adapters or gains, and all else
  std::vector<FastMap> maps;               // that have adapters or gains
  at::Device device = at::kCPU;            // of all tensors
  bool normalised_pixels = false;          // what the decoder gives: FastForm
};

/// Ranks of a pack are padded to a multiple of this, whoever is in the pack: a run's products keep their shapes in any company.
constexpr std::int64_t kRankStep = 8;
std::int64_t padded_rank(std::int64_t rank);

/// Under form.slow_decoder the slow weights have a decoder of that configuration. On `device`, from the same first values on each.
FastNetwork build_fast_network(const SlowWeights& slow, const DecoderConfig& decoder, const FastForm& form, const std::vector<FastConfig>& runs,
                               at::Device device = at::kCPU);

/// Multiplies every update (B, and what gains are above 1) by `keep` [R]: forgetting between exposures.
void fade(FastNetwork&, const at::Tensor& keep);

/// Writes the fast weights of the runs in `which` [R] (1 or 0) into their own copies of the slow ones, and begins anew with none.
void consolidate(FastNetwork&, const at::Tensor& which);

/// Takes all runs but these out of the network, in place: whoever holds a weight holds the smaller one then.
void keep_runs(FastNetwork&, const std::vector<std::int64_t>& runs);

}  // namespace palimpsest
