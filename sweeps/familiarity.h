#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/fast_weights.h"
#include "runtime/precision.h"
#include "sweeps/familiarity_images.h"
#include "sweeps/familiarity_loss.h"
#include "sweeps/familiarity_metric.h"
#include "sweeps/kept_networks.h"
#include "sweeps/read_out.h"
#include "sweeps/study.h"

namespace palimpsest {

/// Familiarity training with fast weights (arXiv 2508.04988): a few images are learned over and over by an autoencoder
/// whose q, k and v change by low-rank adapters, in full or not at all; what familiar and novel, clean and noisy images
/// evoke is measured on the way.
const Study& familiarity_study();

/// A head of a block.
struct Head {
  std::int64_t layer, head;
};

/// The keys of a familiarity run as the code reads them; parsed once.
struct FamiliarityConfig {
  std::string slow_weights, start_file;
  std::int64_t slow_heads = 0;
  std::string activation;  // empty: as the weights tell
  bool double_projection = false, heads = false;  // heads: attention of each, too

  std::int64_t epochs = 100, second_epochs = 0;  // on the familiar images, then on the novel ones
  std::int64_t steps_per_epoch = 1;              // batches that the images of an epoch are divided into
  double learning_rate = 1e-4, weight_decay = 0.01;
  LossConfig loss;
  std::string optimizer;                         // a learning rule by gradient, of what trains besides
  double training_noise = 0, gradient_noise = 0;
  const NoiseKind* training_noise_kind = nullptr;
  Precision precision = Precision::kFloat32;     // of training; what is measured is computed in float32

  FastForm form;
  FirstValues first_values = FirstValues::kKaiming;
  std::string rule;
  double fast_rate = 1e-4, ridge = 1e-3, fading = 0;
  std::int64_t consolidate_every = 0;  // epochs; 0: never
  std::int64_t rank = 8;
  double scale = 4;    // of the update
  std::string layers;  // a word or numbers; see layers_of

  double test_gain = 1;                  // multiplies the update at test
  std::string test_layers_off;           // blocks without it, as layers_of; empty: none
  std::vector<Head> test_heads_off;
  std::optional<Kept> keep;              // of the network

  bool test_swapped = false;             // measured with the fast weights that the novel images taught

  std::int64_t count = 4;
  NoiseConfig noise;
  std::vector<std::int64_t> coarse, fine;  // epochs of all measurements; of the manifold's
  std::vector<std::string> metrics;        // names or families ("attention"); empty: all
  std::vector<std::string> readouts;       // of read_out_names()
  bool centre_on_reference = true, unbiased = true;
  bool decoders_begin_alike = true, probes_begin_alike = true;   // whatever the condition, and probes the epoch and layer
  std::int64_t reference = 32, leave_out = 0;

  std::int64_t all_epochs() const { return epochs + second_epochs; }
  std::int64_t all_steps() const { return all_epochs() * steps_per_epoch; }
  bool reads_figures() const;              // a read-out needs masks
  bool changes_encoder() const;            // beside its fast weights
  bool adapts() const { return form.qkv == Qkv::kAdapter || form.qkv == Qkv::kGain; }
};
FamiliarityConfig parse_familiarity(const Settings&);

/// Blocks that a key names: "all", "early", "late", "alternate", or numbers "0,2,5". Throws InputError for a block that
/// does not exist.
std::vector<std::int64_t> layers_of(const std::string& words, std::int64_t depth, const char* key = "fast.layers");

/// The files of measurements a run takes, of which some value was asked for. Throws InputError for a name that none has.
std::vector<const FamiliarityMetric*> chosen_metrics(const std::vector<std::string>& names);
bool is_chosen(const std::vector<std::string>& names, const std::string& metric);

/// The decoder that goes with an encoder, by the keys "decoder.*". Throws InputError.
DecoderConfig familiarity_decoder(const Settings&, const SlowWeights&);

/// Slow weights, read once in a process; metadata "content" holds the file's hash.
std::shared_ptr<const SlowWeights> shared_slow_weights(const FamiliarityConfig&);

void run_familiarity_pack(const std::vector<RunSpec>&, const PackContext&);
void train_familiarity_again(const RunSpec&, const std::filesystem::path& file, const PackContext&);
std::uint64_t probe_familiarity_memory(const RunSpec&);

/// The most memory that was taken at the stations of that probe, in bytes.
struct ProbedMemory {
  std::uint64_t base = 0, built = 0, trained = 0, evaluated = 0;   // before, with the pack made, after its training, after its evaluation
  int recorded_steps = 0;   // steps that are recorded, one for each network that learns
};
/// What a run takes. A recorded step keeps the memory it works in, each its own, and the evaluation's comes beside it; else one comes after the other.
std::uint64_t memory_of_run(const ProbedMemory&);

}  // namespace palimpsest
