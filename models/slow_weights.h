#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "models/decoder.h"
#include "models/vit_encoder.h"
#include "runtime/tensor_file.h"

namespace palimpsest {

/// Slow weights as they lie in a safetensors file: an encoder under the key names of Hugging Face's CLIPVisionModel (with or without the
/// prefix `vision_model.`), and, where the file was pretrained here, the decoder under `decoder.`. The sizes come from the file's metadata,
/// else from a `config.json` beside it, else from the shapes (heads: width / 64).
struct SlowWeights {
  VitConfig config;
  Parameters encoder;                     // shared, float32
  std::optional<DecoderConfig> decoder_config;
  Parameters decoder;                     // empty where the file has none
  Parameters head = {};                   // of contrastive pretraining (`head.`); empty where the file has none
  TensorMap kept = {};                    // of another library's file, by its own keys: only export has a use for them (`kept.`)
  std::map<std::string, std::string> metadata;
};

/// Throws InputError: not a safetensors file, keys missing (each named), shapes that do not fit. `heads`: 0, or overrides.
SlowWeights read_slow_weights(const std::filesystem::path& file, std::int64_t heads = 0);
/// The same of tensors already in memory; `file` names them in errors.
SlowWeights slow_weights_of(const TensorMap& tensors, const std::map<std::string, std::string>& metadata, const std::filesystem::path& file,
                            std::int64_t heads = 0);
void write_slow_weights(const std::filesystem::path& file, const SlowWeights&);

/// What is written into a file beside the tensors, so that reading needs nothing else: heads, activation, epsilon, normalisation.
std::map<std::string, std::string> metadata_of(const SlowWeights&);

}  // namespace palimpsest
