#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/adapted_weights.h"
#include "models/weight_family.h"

namespace palimpsest {

// peft's own files: adapter_model.safetensors, with keys `base_model.model.<module>.lora_A.weight` and `lora_B`, and
// adapter_config.json beside it, which tells alpha. Modules are named as the library names them that the adapters were
// trained in (weight_family.h).

struct ImportedAdapters {
  AdaptedWeights weights;
  const WeightFamily* family = nullptr;  // whose modules they are of
  std::string prefix;                    // before the modules
  std::vector<std::string> used;         // keys of the file
};

/// Adapters of peft over slow weights. Throws InputError: no adapter_config.json beside them, kinds of adapters that
/// compute something else (DoRA, trained biases, modules saved whole), modules that the encoder has no map for, ranks
/// or widths that do not fit.
ImportedAdapters import_adapters(const std::filesystem::path& adapters, const std::filesystem::path& base,
                                 std::int64_t heads = 0);

struct ExportedAdapters {
  std::vector<std::string> written;  // keys of the file
  std::filesystem::path config;      // adapter_config.json
};

/// Writes the adapters of `weights` as peft's files, for modules as `family` names them (its first spelling), behind
/// `prefix`.
ExportedAdapters export_adapters(const std::filesystem::path& weights, const std::filesystem::path& out,
                                 const WeightFamily& family, const std::string& prefix);

/// Whether a file holds adapters alone, under peft's names.
bool is_adapter_file(const std::filesystem::path& file);

}  // namespace palimpsest
