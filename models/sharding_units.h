#pragma once

#include <vector>

#include "models/slow_weights.h"
#include "runtime/sharding.h"

namespace palimpsest {

/// The weights of each copy of a model as units: what lies around the encoder's blocks, each of its blocks, and the
/// same of the decoder. Makes them leaves that gradients gather at. Parameters are named "encoder.NAME" and
/// "decoder.NAME", as SlowWeights names them.
std::vector<ShardingUnit> sharding_units(const std::vector<SlowWeights*>& copies);

}  // namespace palimpsest
