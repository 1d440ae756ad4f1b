#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "models/slow_weights.h"
#include "models/vit_encoder.h"

namespace palimpsest {

// Encoders that peft put adapters into, as their state lies in a file under `encoder.`: a map with an adapter has its
// own weights under
// `...q_proj.base_layer.weight` and its fast ones under `...q_proj.lora_A.default.weight` and `lora_B`.

/// Whether the tensors are of that kind.
bool has_encoder_prefix(const TensorMap& tensors);

/// The encoder's own weights under their plain names.
TensorMap encoder_part(const TensorMap& tensors);

/// A map that can have an adapter, as its weights are named: map_name(3, "query") is
/// "encoder.layers.3.self_attn.q_proj".
std::string map_name(std::int64_t layer, const std::string& target);

/// The name of a map's fast weights in such a file: fast_weight_name(3, "query", 'A').
std::string fast_weight_name(std::int64_t layer, const std::string& target, char letter);

/// The fast weights of one map: y = W x + b + scale B (A x).
struct OneAdapter {
  at::Tensor a, b;   // [r, C], [D, r] float32
  double scale = 4;  // alpha / r
};

/// Slow weights and the adapters of one run over them, by map_name.
struct AdaptedWeights {
  SlowWeights slow;
  std::map<std::string, OneAdapter> adapters;  // empty: slow weights alone
};

/// Slow weights, or an encoder with adapters in it, or adapters alone with the slow weights that they name (kept_adapters.h). `scale`: alpha / rank; without it as the file's metadata tell,
/// else 4. Throws InputError.
AdaptedWeights read_adapted_weights(const std::filesystem::path& file, std::int64_t heads = 0,
                                    std::optional<double> scale = {});

/// Adapters as tensors of such a file and its metadata, and back; `depth`: of the encoder.
void put_adapters(const std::map<std::string, OneAdapter>&, TensorMap&, std::map<std::string, std::string>& metadata);
std::map<std::string, OneAdapter> adapters_in(const TensorMap&, const std::map<std::string, std::string>& metadata, std::int64_t depth,
                                              std::optional<double> scale);

/// Throws InputError for weights of a run that was trained with attention.double_projection (familiarity.md, D1): no encoder that reads them would
/// compute what the run did.
void refuse_double_projection(const std::map<std::string, std::string>& metadata, const std::filesystem::path& file);

/// What read_adapted_weights takes back, the decoder too.
void write_adapted_weights(const std::filesystem::path& file, const AdaptedWeights&);

/// The encoder of one run. Throws InputError where an adapter does not fit its map.
VitEncoder adapted_encoder(const AdaptedWeights&);

/// Slow weights that compute the same without adapters: W + scale B A.
SlowWeights merged(const AdaptedWeights&);

}  // namespace palimpsest
