#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "runtime/safetensors.h"

namespace palimpsest {

using TensorMap = std::map<std::string, at::Tensor>;

/// All tensors of a safetensors file, copied, in their own type. Throws InputError.
TensorMap read_tensors(const std::filesystem::path& file);
at::Tensor read_tensor(const SafetensorsFile& file, const std::string& name);

/// Writes tensors (made contiguous, on the CPU) durably.
void write_tensors(const std::filesystem::path& file, const TensorMap& tensors, const std::map<std::string, std::string>& metadata);

/// [B] images of side x side to float32 [B, 3, side, side] in [0, 1].
struct Image;
at::Tensor to_tensor(const std::vector<Image>& images);
Image to_image(const at::Tensor& chw);   // [3, H, W] in [0, 1], clamped and rounded

}  // namespace palimpsest
