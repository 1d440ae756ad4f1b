#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/slow_weights.h"
#include "models/weight_family.h"

namespace palimpsest {

struct ExportOptions {
  std::filesystem::path weights, out;
  std::string family;
  std::optional<std::string> prefix;  // before every key; without it the family's own
  std::string dtype = "float32";      // float32 | float16 | bfloat16
  std::int64_t heads = 0;             // 0: as the weights tell
  bool merge = false;                 // add adapters to the weights; else they are left out
};

struct ExportedWeights {
  std::vector<std::string> written;  // keys of the file
  std::vector<std::string> left;     // weights that the family has no place for: our decoder's, another family's
  std::vector<std::string> filled;   // keys with zeros in them, which the family has in any model
  std::filesystem::path config;      // written beside; empty: none
  std::string note;                  // what the user should see to: adapters that were left, a config that was not written
  std::string how_to_load;           // in Python
};

/// Writes slow weights under the names of a family; what it can take back with import_weights is the same to the bit
/// (in float32). Throws InputError: an unknown family, parts of the encoder that it has no place for.
ExportedWeights export_weights(const ExportOptions&);

}  // namespace palimpsest
