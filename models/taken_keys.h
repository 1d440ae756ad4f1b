#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/weight_family.h"
#include "models/weight_files.h"

namespace palimpsest {

/// What a family's maps take out of a file: weights under our names, float32, and an account of the file's keys.
struct TakenKeys {
  Parameters encoder;
  std::vector<std::string> used, left;  // keys of the file
  std::vector<std::string> missed;      // what the family may have and the file has not, with what was done about it
  std::map<std::string, std::string> source;  // the file's key of each of our weights
};

/// Throws InputError: keys that are missing (all are named), keys inside the blocks that the encoder has no place for.
TakenKeys take_keys(const WeightFiles&, const FoundFamily&);

}  // namespace palimpsest
