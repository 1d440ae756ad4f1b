#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/inspect_checkpoint.h"
#include "runtime/safetensors.h"

namespace palimpsest {

/// What a safetensors file holds, as far as its keys, shapes and numbers tell.
struct WeightFacts {
  std::filesystem::path file;
  std::uint64_t bytes = 0;
  std::string damage;                               // why it cannot be read; empty: it can
  std::string kind;                                 // "clip (...)", "adapters of peft", "a rank's share of a checkpoint: ...", ...
  std::map<std::string, std::string> architecture;  // "width": "384", ...
  std::vector<std::string> remarks;  // how that was found out, and why it cannot be imported where it cannot
  std::map<std::string, TensorEntry> tensors;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::int64_t> not_finite;  // tensors that hold NaN or infinities: how many

  std::int64_t parameters() const;  // numbers in all tensors
};

WeightFacts inspect_weight_file(const std::filesystem::path& file);

/// A file, or every safetensors file in a folder and below it (a checkpoint, a run of pretraining), by name, and every
/// checkpoint. `flaws`: those that are not whole, a sentence each. Throws InputError where there is nothing to inspect.
struct InspectedWeights {
  std::vector<CheckpointFacts> checkpoints;
  std::vector<WeightFacts> files;
  std::vector<std::string> flaws;
};
InspectedWeights inspect_weights(const std::filesystem::path& path);

}  // namespace palimpsest
