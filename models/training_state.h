#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "runtime/adamw.h"
#include "runtime/sharded_gradients.h"
#include "runtime/sharded_weights.h"
#include "runtime/tensor_file.h"

namespace palimpsest {

/// A rank's share of everything a training run needs to go on as if it had never stopped: weights in float32, moments,
/// step, and the losses so far. (Random numbers need nothing kept: they are functions of the step.)
///
/// In a checkpoint each rank has a file, `state-00001-of-00004.safetensors`: a stretch of each parameter that it owns a
/// part of, as value.NAME, first.NAME and second.NAME (moments; not where there never was a gradient), one-dimensional.
/// Its metadata hold the facts of the run and `slices`, in JSON:
/// {"NAME": {"shape": [64, 64], "begin": 1024}, ...}. So any number of ranks under any strategy can take the stretches
/// it needs.
class TrainingState {
 public:
  /// Matrices decay; biases, norms, positions and tokens do not.
  TrainingState(const std::vector<ShardingUnit>&, ShardedWeights&, const ShardGroups&, AdamW::Options);

  /// One update of this rank's share, in the three parts of AdamW (runtime/adamw.h). Parameters without gradient stay as they are.
  void prepare(double learning_rate);
  void apply(ShardedGradients&);
  void count();

  std::int64_t step = 0;  // updates done
  std::string losses;     // of losses.csv: a line per step; the first rank has it

  /// What this rank has to write: views of it until copy(), which is to be through before the next update; `write` may
  /// be called at any time after that.
  struct Snapshot {
    std::string file_name;
    TensorMap tensors;
    std::map<std::string, std::string> metadata;
    void copy();
    void write(const std::filesystem::path& folder) const { write_tensors(folder / file_name, tensors, metadata); }
  };
  Snapshot snapshot(const std::map<std::string, std::string>& facts) const;
  /// Takes this rank's share of a checkpoint, whoever wrote it. Throws InputError where it does not fit the model.
  void read(const std::filesystem::path& folder, std::int64_t at_step);

 private:
  struct Place {
    std::size_t unit;
    ParameterRow::Slice slice;
  };
  const std::vector<ShardingUnit>& units_;
  ShardedWeights& weights_;
  const ShardGroups& groups_;
  std::vector<Place> places_;  // of the optimizer's slots
  AdamW optimizer_;
};

/// The facts that were recorded with a checkpoint's state.
std::map<std::string, std::string> recorded_facts(const std::filesystem::path& checkpoint);
/// The whole weights of a checkpoint, by name ("encoder.NAME", "decoder.NAME"), float32. Throws InputError.
TensorMap checkpointed_weights(const std::filesystem::path& checkpoint);

}  // namespace palimpsest
