#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "runtime/image_source.h"

namespace palimpsest {

/// What images are shifted and scaled by before the encoder: CLIP's, ImageNet's, or not at all.
enum class Normalisation { kClip, kImageNet, kNone };

struct FeatureOptions {
  std::filesystem::path weights, out;
  std::optional<Normalisation> normalise;   // empty: as the weights tell, else CLIP's
  bool attention = false;        // also "attention.N": [images, heads, tokens, tokens]
  std::int64_t heads = 0;        // 0: as the weights tell
  std::optional<double> adapter_scale;      // alpha / rank of adapters in the file; empty: as it tells, else 4
};

/// Writes "embedding" (input of block 0) and "block.0" ... (outputs), each [images, 1 + patches, width] float32, with the file names as a JSON
/// list in the metadata "images". Images are brought to the encoder's side by Pillow's bicubic and a centre crop. Throws InputError.
void write_features(const ImageSource& images, const FeatureOptions& options);

}  // namespace palimpsest
