#pragma once

#include <filesystem>

#include "models/slow_weights.h"
#include "models/vit_encoder.h"

namespace palimpsest {

// Encoders that peft put adapters into, as their state lies in a file under `encoder.`: a map with an adapter has its own weights under
// `...q_proj.base_layer.weight` and its fast ones under `...q_proj.lora_A.default.weight` and `lora_B`.

/// Whether the tensors are of that kind.
bool has_encoder_prefix(const TensorMap& tensors);

/// The encoder's own weights under their plain names.
TensorMap encoder_part(const TensorMap& tensors);

/// The name of a map's fast weights: fast_weight_name(3, "query", 'A').
std::string fast_weight_name(std::int64_t layer, const std::string& target, char letter);

/// Puts every adapter of the file on an encoder of one run. `scale`: alpha / rank.
void set_adapters_of(VitEncoder& encoder, const TensorMap& tensors, double scale);

}  // namespace palimpsest
