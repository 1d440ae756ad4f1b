#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "models/adapted_weights.h"

namespace palimpsest {

// The adapters of a run in a file of their own, which tells what they lie over instead of holding it: a few thousandths of a network. Names are those
// of a whole network's (adapted_weights.h).

/// What they lie over.
struct UnderAdapters {
  std::filesystem::path weights;  // slow weights, or what a run started from
  std::string content;            // hash of that file
  bool whole = false;             // nothing but the adapters changed in the encoder: both together are the run's
};

void write_adapters_alone(const std::filesystem::path& file, const AdaptedWeights&, const UnderAdapters&);

/// Whether a file is of that kind, and together with its slow weights an encoder.
bool are_adapters_alone(const std::map<std::string, std::string>& metadata);
bool are_whole_encoder(const std::filesystem::path& adapters_alone);

/// With the slow weights that it names, without a decoder. Throws InputError: these are gone or others by now, or the encoder changed beside the adapters.
AdaptedWeights read_with_slow_weights(const std::filesystem::path& adapters_alone, std::int64_t heads = 0, std::optional<double> scale = {});

/// Adapters of any file; of one that holds them alone `slow` has depth and patch only.
AdaptedWeights read_adapters(const std::filesystem::path& file);

}  // namespace palimpsest
