#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/slow_weights.h"
#include "models/weight_family.h"

namespace palimpsest {

struct ImportOptions {
  std::filesystem::path file;         // safetensors, an index of several, or a folder
  std::string family;                 // empty: recognised by the keys
  std::optional<std::string> prefix;  // what the encoder's keys begin with, where a file holds several encoders
  std::int64_t resolution = 0;        // side of the images it is to see, pixels; 0: as it is
  std::int64_t heads = 0;             // 0: as config.json tells, else by the width
  std::string activation;             // empty: as config.json tells, else the family's
  std::optional<double> norm_epsilon;
};

struct ImportedWeights {
  SlowWeights weights;
  const WeightFamily* family = nullptr;
  std::string prefix;
  std::vector<std::string> used, left;  // keys of the file
  std::vector<std::string> kept;        // keys that go along for export alone
  std::vector<std::string> missed;      // what the family may have and the file has not, with what was done about it
  std::vector<std::string> remarks;     // how the architecture was found out, what was interpolated: a sentence each
};

/// Slow weights, float32, out of another library's file. Throws InputError: a family that is not known or does not fit,
/// keys that are missing (all are named), keys inside the blocks that the encoder has no place for, shapes that do not
/// go together.
ImportedWeights import_weights(const ImportOptions&);

}  // namespace palimpsest
