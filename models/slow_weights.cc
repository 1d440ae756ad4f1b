#include "models/slow_weights.h"

#include <charconv>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/parameter_lookup.h"
#include "models/told_architecture.h"
#include "models/weight_family.h"
#include "runtime/error.h"
#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

constexpr std::string_view kHuggingFacePrefix = "vision_model.";
constexpr std::string_view kDecoderPrefix = "decoder.";
constexpr std::string_view kHeadPrefix = "head.", kKeptPrefix = "kept.";

std::int64_t as_integer(const std::map<std::string, std::string>& metadata, const std::string& key,
                        std::int64_t otherwise) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return otherwise;
  std::int64_t value = otherwise;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

// From the file's metadata, else from what other libraries write beside weights.
ToldArchitecture told_of(const std::filesystem::path& file, const std::map<std::string, std::string>& metadata,
                         std::int64_t width) {
  auto told = told_by_metadata(metadata, file);
  return told.by.empty() ? told_beside(file, width) : told;
}

// The encoder's weights of a file under their plain names; the decoder's and what belongs to neither set aside.
struct Sorted {
  Parameters encoder, decoder, head;
  TensorMap kept;
};

Sorted sorted_weights(const TensorMap& tensors) {
  Sorted out;
  const bool prefixed = tensors.contains("vision_model.embeddings.position_embedding.weight");
  for (const auto& [key, tensor] : tensors) {
    if (key.starts_with(kKeptPrefix)) {
      out.kept[key.substr(kKeptPrefix.size())] = tensor;
      continue;
    }
    if (!tensor.is_floating_point()) continue;  // position_ids of older files
    const auto value = tensor.to(at::kFloat).contiguous();
    if (key.starts_with(kDecoderPrefix))
      out.decoder[key.substr(kDecoderPrefix.size())] = {value, false};
    else if (key.starts_with(kHeadPrefix))
      out.head[key.substr(kHeadPrefix.size())] = {value, false};
    else if (!prefixed)
      out.encoder[key] = {value, false};
    else if (key.starts_with(kHuggingFacePrefix))
      out.encoder[key.substr(kHuggingFacePrefix.size())] = {value, false};
  }
  return out;
}

const at::Tensor& needed(const Parameters& weights, const std::string& name, std::int64_t dimensions,
                         const std::filesystem::path& file) {
  const auto found = weights.find(name);
  if (found == weights.end())
    throw InputError(
        fmt::format("{}: has no weight {}. Slow weights bear the key names of Hugging Face's CLIPVisionModel.",
                    file.string(), name));
  if (found->second.value.dim() != dimensions)
    throw InputError(fmt::format("{}: the weight {} has {} dimensions, but {} are needed", file.string(), name,
                                 found->second.value.dim(), dimensions));
  return found->second.value;
}

// Another library's names: there is a command for them.
void refuse_foreign(const TensorMap& tensors, const std::filesystem::path& file) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : tensors) keys.push_back(key);
  const auto found = families_of(keys);
  if (!found.empty())
    throw InputError(fmt::format(
        "{}: its keys are those of {}. Make slow weights of it: palimpsest weights import {} --out SLOW.safetensors",
        file.string(), found.front().family->meaning, file.string()));
}

VitConfig config_of(const Parameters& weights, const std::map<std::string, std::string>& metadata, std::int64_t heads,
                    const std::filesystem::path& file) {
  VitConfig c;
  const auto& patch = needed(weights, "embeddings.patch_embedding.weight", 4, file);
  const auto& positions = needed(weights, "embeddings.position_embedding.weight", 2, file);
  c.width = patch.size(0);
  c.patch = patch.size(3);
  c.class_token = weights.contains("embeddings.class_embedding");
  c.patch_bias = weights.contains("embeddings.patch_embedding.bias");
  c.pre_norm = weights.contains("pre_layrnorm.weight");
  c.final_norm = weights.contains("post_layernorm.weight");
  const auto grid = static_cast<std::int64_t>(
      std::lround(std::sqrt(static_cast<double>(positions.size(0) - (c.class_token ? 1 : 0)))));
  if (grid < 1 || grid * grid + (c.class_token ? 1 : 0) != positions.size(0))
    throw InputError(fmt::format("{}: {} positions are no square of patches{}", file.string(), positions.size(0),
                                 c.class_token ? " and a class token" : ""));
  c.side = grid * c.patch;
  c.depth = 0;
  while (weights.contains(fmt::format("encoder.layers.{}.layer_norm1.weight", c.depth))) ++c.depth;
  if (c.depth == 0)
    throw InputError(fmt::format("{}: has no block (no weight encoder.layers.0.layer_norm1.weight)", file.string()));
  c.mlp_width = needed(weights, "encoder.layers.0.mlp.fc1.weight", 2, file).size(0);
  const auto told = told_of(file, metadata, c.width);
  c.activation = told.activation.value_or(c.activation);
  c.norm_epsilon = told.norm_epsilon.value_or(c.norm_epsilon);
  c.mean = told.mean.value_or(c.mean);
  c.sd = told.sd.value_or(c.sd);
  const auto told_heads = told.heads.value_or(0);
  c.heads = heads > 0 ? heads : told_heads > 0 ? told_heads : c.width % 64 == 0 ? c.width / 64 : 0;
  if (heads > 0 && c.width % heads != 0)
    throw InputError(fmt::format(
        "{}: {} heads do not divide the width {}. Give slow.heads (or --heads) another value, or leave it out.",
        file.string(), heads, c.width));
  if (c.heads < 1 || c.width % c.heads != 0)
    throw InputError(
        fmt::format("{}: neither its metadata nor a config.json beside it tells a number of heads that divides the "
                    "width {}. Give it: slow.heads in a "
                    "definition, --heads on the command line.",
                    file.string(), c.width));
  return c;
}

DecoderConfig decoder_config_of(const Parameters& weights, const VitConfig& encoder,
                                const std::map<std::string, std::string>& metadata, const std::filesystem::path& file) {
  if (!weights.contains("embed.weight") && weights.contains("pixels.weight"))
    return {.input_width = encoder.width, .width = encoder.width, .depth = 0, .heads = 1, .patch = encoder.patch, .side = encoder.side, .linear = true};
  const auto& embed = needed(weights, "embed.weight", 2, file);
  DecoderConfig c{.input_width = encoder.width,
                  .width = embed.size(0),
                  .depth = 0,
                  .heads = 0,
                  .patch = encoder.patch,
                  .side = encoder.side};
  while (weights.contains(fmt::format("blocks.{}.norm1.weight", c.depth))) ++c.depth;
  c.heads = as_integer(metadata, "decoder_heads", 4);
  if (c.heads < 1 || c.width % c.heads != 0)
    throw InputError(fmt::format("{}: a decoder of width {} cannot have {} heads", file.string(), c.width, c.heads));
  return c;
}

}  // namespace

SlowWeights slow_weights_of(const TensorMap& tensors, const std::map<std::string, std::string>& metadata,
                            const std::filesystem::path& file, std::int64_t heads) {
  SlowWeights slow;
  slow.metadata = metadata;
  auto [encoder, decoder, head, kept] = sorted_weights(tensors);
  slow.kept = std::move(kept);
  slow.head = std::move(head);
  slow.encoder = std::move(encoder);
  if (!slow.encoder.contains("embeddings.patch_embedding.weight")) refuse_foreign(tensors, file);
  slow.config = config_of(slow.encoder, slow.metadata, heads, file);
  if (!decoder.empty()) {
    slow.decoder_config = decoder_config_of(decoder, slow.config, slow.metadata, file);
    slow.decoder = std::move(decoder);
  }
  try {
    VitEncoder(slow.config, slow.encoder);  // finds every weight and checks its shape
    if (slow.decoder_config) Decoder(*slow.decoder_config, slow.decoder);
  } catch (const InputError& e) {
    throw InputError(fmt::format("{}: {}", file.string(), e.what()));
  }
  return slow;
}

SlowWeights read_slow_weights(const std::filesystem::path& file, std::int64_t heads) {
  const SafetensorsFile mapped(file);
  TensorMap tensors;
  for (const auto& [name, entry] : mapped.tensors()) tensors[name] = read_tensor(mapped, name);
  return slow_weights_of(tensors, mapped.metadata(), file, heads);
}

std::map<std::string, std::string> metadata_of(const SlowWeights& slow) {
  auto metadata = slow.metadata;
  metadata["format"] = "pt";  // what Hugging Face's loader asks for
  metadata["heads"] = std::to_string(slow.config.heads);
  metadata["activation"] = name_of(slow.config.activation);
  metadata["norm_epsilon"] = fmt::format("{}", slow.config.norm_epsilon);
  metadata["mean"] = fmt::format("{}", fmt::join(slow.config.mean, ","));
  metadata["sd"] = fmt::format("{}", fmt::join(slow.config.sd, ","));
  if (slow.decoder_config) metadata["decoder_heads"] = std::to_string(slow.decoder_config->heads);
  return metadata;
}

void write_slow_weights(const std::filesystem::path& file, const SlowWeights& slow) {
  TensorMap tensors;
  for (const auto& [name, parameter] : slow.encoder) tensors[name] = parameter.value.detach();
  for (const auto& [name, parameter] : slow.decoder)
    tensors[std::string(kDecoderPrefix) + name] = parameter.value.detach();
  for (const auto& [name, parameter] : slow.head) tensors[std::string(kHeadPrefix) + name] = parameter.value.detach();
  for (const auto& [key, value] : slow.kept) tensors[std::string(kKeptPrefix) + key] = value;
  write_tensors(file, tensors, metadata_of(slow));
}

}  // namespace palimpsest
