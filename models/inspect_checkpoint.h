#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace palimpsest {

/// What a checkpoint's folder says of the run that wrote it.
struct CheckpointFacts {
  std::filesystem::path folder;
  std::int64_t step = -1;               // -1: it has no manifest that tells
  std::size_t ranks = 0;                // that wrote it, a file each; 0: it is not of pretraining
  std::string sharding;                 // "full", "full within a node", ...; empty: not told
  std::int64_t parameters = 0;          // weights, counted once
  std::vector<std::string> definition;  // of objective and model, a key each as in a definition
  std::string flaw;                     // why it is not whole; empty: it is
};

CheckpointFacts inspect_checkpoint(const std::filesystem::path& folder);

}  // namespace palimpsest
