#include "models/adapted_weights.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/kept_adapters.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr std::string_view kPrefix = "encoder.";
constexpr std::string_view kBase = ".base_layer";
constexpr std::string_view kDecoder = "decoder.";
constexpr double kUsualScale = 4;

constexpr std::array<std::pair<const char*, const char*>, 7> kMaps = {
    {{"query", "encoder.layers.{}.self_attn.q_proj"},
     {"key", "encoder.layers.{}.self_attn.k_proj"},
     {"value", "encoder.layers.{}.self_attn.v_proj"},
     {"output", "encoder.layers.{}.self_attn.out_proj"},
     {"mlp_in", "encoder.layers.{}.mlp.fc1"},
     {"mlp_out", "encoder.layers.{}.mlp.fc2"},
     {"patch", "embeddings.patch_embedding"}}};

std::string fast_name(const std::string& map, char letter) {
  return fmt::format("{}{}.lora_{}.default.weight", kPrefix, map, letter);
}

// Those of a convolution, [r, 3, p, p] and [D, r, 1, 1], as those of a linear map.
at::Tensor as_matrix(const at::Tensor& value) { return value.to(at::kFloat).flatten(1).contiguous(); }

double scale_told(const std::map<std::string, std::string>& metadata, const std::string& map) {
  for (const auto& key : {"adapter_scale." + map, std::string("adapter_scale")})
    if (const auto found = metadata.find(key); found != metadata.end())
      return std::strtod(found->second.c_str(), nullptr);
  return kUsualScale;
}

// Under the names it has here, too.
TensorMap decoder_part(const TensorMap& tensors) {
  TensorMap out;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(kDecoder)) out[name] = tensor;
  return out;
}

template <class See>
void each_map(std::int64_t depth, See see) {
  for (const auto& [target, pattern] : kMaps)
    for (std::int64_t layer = 0; layer < (target == std::string_view("patch") ? 1 : depth); ++layer)
      see(layer, target, map_name(layer, target));
}

void check_fit(const std::string& map, const OneAdapter& fast, const at::Tensor& weight) {
  const auto W = weight.flatten(1);
  if (fast.a.dim() == 2 && fast.b.dim() == 2 && fast.a.size(1) == W.size(1) && fast.b.size(0) == W.size(0) &&
      fast.a.size(0) == fast.b.size(1))
    return;
  throw InputError(fmt::format(
      "the adapter of {} is A [{}], B [{}], which does not fit its weight [{}]: A is [rank, in], B [out, rank]", map,
      fmt::join(fast.a.sizes(), ", "), fmt::join(fast.b.sizes(), ", "), fmt::join(weight.sizes(), ", ")));
}

}  // namespace

void refuse_double_projection(const std::map<std::string, std::string>& metadata, const std::filesystem::path& file) {
  const auto found = metadata.find("double_projection");
  if (found != metadata.end() && found->second == "true")
    throw InputError(
        fmt::format("{}: was trained with attention.double_projection, a defect of published code that no other program "
                    "has: its weights compute something else without it. Take a run where it is false.",
                    file.string()));
}

bool has_encoder_prefix(const TensorMap& tensors) {
  return tensors.contains("encoder.embeddings.position_embedding.weight");
}

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

std::string map_name(std::int64_t layer, const std::string& target) {
  const auto found = std::ranges::find_if(kMaps, [&](const auto& map) { return map.first == target; });
  if (found == kMaps.end())
    throw InputError(
        fmt::format("there is no map \"{}\" to adapt. They are {}.", target, fmt::join(adapter_targets(), ", ")));
  return fmt::format(fmt::runtime(found->second), layer);
}

std::string fast_weight_name(std::int64_t layer, const std::string& target, char letter) {
  return fast_name(map_name(layer, target), letter);
}

AdaptedWeights read_adapted_weights(const std::filesystem::path& file, std::int64_t heads,
                                    std::optional<double> scale) {
  const auto tensors = read_tensors(file);
  const auto metadata = SafetensorsFile(file).metadata();
  refuse_double_projection(metadata, file);
  if (are_adapters_alone(metadata)) return read_with_slow_weights(file, heads, scale);
  if (!has_encoder_prefix(tensors)) return {slow_weights_of(tensors, metadata, file, heads), {}};
  auto plain = encoder_part(tensors);
  if (metadata.contains("decoder_heads")) plain.merge(decoder_part(tensors));
  AdaptedWeights out{slow_weights_of(plain, metadata, file, heads), {}};
  out.adapters = adapters_in(tensors, metadata, out.slow.config.depth, scale);
  return out;
}

std::map<std::string, OneAdapter> adapters_in(const TensorMap& tensors, const std::map<std::string, std::string>& metadata, std::int64_t depth,
                                              std::optional<double> scale) {
  std::map<std::string, OneAdapter> out;
  each_map(depth, [&](std::int64_t, const std::string&, const std::string& map) {
    const auto a = tensors.find(fast_name(map, 'A')), b = tensors.find(fast_name(map, 'B'));
    if (a == tensors.end() || b == tensors.end()) return;
    out[map] = {as_matrix(a->second), as_matrix(b->second), scale.value_or(scale_told(metadata, map))};
  });
  return out;
}

void put_adapters(const std::map<std::string, OneAdapter>& adapters, TensorMap& tensors, std::map<std::string, std::string>& metadata) {
  for (const auto& [map, fast] : adapters) {
    tensors[fast_name(map, 'A')] = fast.a;
    tensors[fast_name(map, 'B')] = fast.b;
    metadata["adapter_scale." + map] = fmt::format("{}", fast.scale);
  }
}

void write_adapted_weights(const std::filesystem::path& file, const AdaptedWeights& adapted) {
  TensorMap tensors;
  for (const auto& [name, parameter] : adapted.slow.encoder) {
    auto key = name;
    if (const auto dot = name.rfind('.'); adapted.adapters.contains(name.substr(0, dot))) key.insert(dot, kBase);
    tensors[std::string(kPrefix) + key] = parameter.value;
  }
  for (const auto& [name, parameter] : adapted.slow.decoder) tensors[std::string(kDecoder) + name] = parameter.value;
  auto metadata = metadata_of(adapted.slow);
  put_adapters(adapted.adapters, tensors, metadata);
  write_tensors(file, tensors, metadata);
}

VitEncoder adapted_encoder(const AdaptedWeights& adapted) {
  VitEncoder encoder(adapted.slow.config, adapted.slow.encoder);
  each_map(adapted.slow.config.depth, [&](std::int64_t layer, const std::string& target, const std::string& map) {
    const auto found = adapted.adapters.find(map);
    if (found == adapted.adapters.end()) return;
    const auto& [a, b, scale] = found->second;
    check_fit(map, found->second, adapted.slow.encoder.at(map + ".weight").value);
    encoder.set_adapter(layer, target, {a.unsqueeze(0), b.unsqueeze(0), at::full({1}, scale), {}});
  });
  return encoder;
}

SlowWeights merged(const AdaptedWeights& adapted) {
  auto slow = adapted.slow;
  for (const auto& [map, fast] : adapted.adapters) {
    auto& weight = slow.encoder.at(map + ".weight").value;
    check_fit(map, fast, weight);
    weight = weight + (fast.scale * at::mm(fast.b, fast.a)).view_as(weight);
  }
  return slow;
}

}  // namespace palimpsest
