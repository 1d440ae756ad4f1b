#include "models/adapted_weights.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace palimpsest {
namespace {

constexpr std::string_view kPrefix = "encoder.";
constexpr std::string_view kBase = ".base_layer";

}  // namespace

bool has_encoder_prefix(const TensorMap& tensors) { return tensors.contains("encoder.embeddings.position_embedding.weight"); }

TensorMap encoder_part(const TensorMap& tensors) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors) {
    if (!name.starts_with(kPrefix) || name.find(".lora_") != std::string::npos) continue;
    auto plain = name.substr(kPrefix.size());
    if (const auto at = plain.find(kBase); at != std::string::npos) plain.erase(at, kBase.size());
    out[plain] = tensor;
  }
  return out;
}

std::string fast_weight_name(std::int64_t layer, const std::string& target, char letter) {
  return fmt::format("{}encoder.layers.{}.self_attn.{}_proj.lora_{}.default.weight", kPrefix, layer, target == "output" ? "out" : target.substr(0, 1), letter);
}

void set_adapters_of(VitEncoder& encoder, const TensorMap& tensors, double scale) {
  for (std::int64_t layer = 0; layer < encoder.config().depth; ++layer)
    for (const char* target : {"query", "key", "value", "output"}) {
      const auto a = tensors.find(fast_weight_name(layer, target, 'A')), b = tensors.find(fast_weight_name(layer, target, 'B'));
      if (a == tensors.end() || b == tensors.end()) continue;
      encoder.set_adapter(layer, target, {a->second.unsqueeze(0), b->second.unsqueeze(0), at::full({1}, scale)});
    }
}

}  // namespace palimpsest
