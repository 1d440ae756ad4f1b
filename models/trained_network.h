#pragma once

#include "models/adapted_weights.h"
#include "models/fast_weights.h"

namespace palimpsest {

/// What one run of a pack has made of its network: the encoder's weights, its adapters at their own rank, and its decoder.
/// Gains are multiplied into weight and bias of their maps; a map whose update is zero for ever has no adapter.
///   slow  what the network was built on: its description, and weights that are no part of an autoencoder
AdaptedWeights trained_network(const FastNetwork&, const SlowWeights& slow, std::int64_t run, std::int64_t rank);

}  // namespace palimpsest
