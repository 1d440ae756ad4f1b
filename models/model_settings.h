#pragma once

#include "models/slow_weights.h"
#include "runtime/settings.h"

namespace palimpsest {

/// The keys "model.*": a size by name, and what of it is to be different (0: as the size has it).
KeyTable model_keys();

/// Throw InputError where the numbers do not go together (heads that do not divide the width, patches that do not tile the image).
VitConfig encoder_config(const Settings&);
DecoderConfig decoder_config(const Settings&);

/// An encoder and a decoder with fresh weights, each tensor from its own part of the stream.
SlowWeights fresh_weights(const Settings&, const RandomStream&, bool mask_token);

}  // namespace palimpsest
