#include "models/vit_encoder.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/initial.h"
#include "models/parameter_lookup.h"
#include "runtime/block_hook.h"
#include "runtime/error.h"
#include "runtime/kernels.h"

namespace palimpsest {
namespace {

at::Tensor normalised(const at::Tensor& images, const VitConfig& config) {
  // From numbers alone: a GPU's queue would wait for a copy from the host.
  const auto channels = [&](const std::array<float, 3>& v) {
    std::vector<at::Tensor> each;
    for (const float one : v) each.push_back(at::full({1, 1, 1}, one, at::TensorOptions(at::kFloat).device(images.device())));
    return at::cat(each);
  };
  return (images - channels(config.mean)) / channels(config.sd);
}

// Patches of normalised images, [R, B, 3, S, S] -> [R, B patches, 3 p p]. On a CPU, where nobody asks for a gradient, in one pass over them as they lie.
at::Tensor patches_of(const at::Tensor& images, const VitConfig& config) {
  const std::int64_t R = images.size(0), B = images.size(1), p = config.patch, inputs = 3 * p * p;
  const bool whole = images[0][0].is_contiguous() && images.size(3) == config.side && images.size(4) == config.side;
  if (!images.device().is_cpu() || images.scalar_type() != at::kFloat || images.requires_grad() || !whole)
    return patchify(normalised(images, config), p).reshape({R, -1, inputs});
  auto out = at::empty({R, B * config.patches(), inputs}, images.options());
  auto* to = out.mutable_data_ptr<float>();
  for (std::int64_t run = 0; run < R; ++run)
    for (std::int64_t image = 0; image < B; ++image, to += config.patches() * inputs)
      kernels().patches(images.const_data_ptr<float>() + run * images.stride(0) + image * images.stride(1), config.mean.data(), config.sd.data(), config.side, p, to);
  return out;
}

std::string block_name(std::int64_t layer) { return fmt::format("encoder.layers.{}.", layer); }

}  // namespace

VitConfig vit_size(const std::string& name) {
  if (name == "micro") return {.width = 64, .depth = 4, .heads = 4, .mlp_width = 256, .patch = 8, .side = 64};
  if (name == "tiny") return {.width = 192, .depth = 12, .heads = 3, .mlp_width = 768, .patch = 8, .side = 64};
  if (name == "small") return {.width = 384, .depth = 12, .heads = 6, .mlp_width = 1536, .patch = 16, .side = 224};
  if (name == "base") return {.width = 768, .depth = 12, .heads = 12, .mlp_width = 3072, .patch = 16, .side = 224};
  throw InputError(fmt::format("there is no encoder size \"{}\". Sizes are micro, tiny, small and base.", name));
}

Parameters initial_vit(const VitConfig& c, const RandomStream& stream) {
  Initial initial(stream);
  const std::int64_t width = c.width;
  if (c.class_token) initial.truncated_normal("embeddings.class_embedding", {width});
  initial.truncated_normal("embeddings.patch_embedding.weight", {width, 3, c.patch, c.patch});
  if (c.patch_bias) initial.constant("embeddings.patch_embedding.bias", {width}, 0);
  initial.truncated_normal("embeddings.position_embedding.weight", {c.tokens(), width});
  if (c.pre_norm) initial.norm("pre_layrnorm", width);
  for (std::int64_t layer = 0; layer < c.depth; ++layer) {
    const auto name = block_name(layer);
    initial.norm(name + "layer_norm1", width);
    for (const char* map : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      initial.truncated_normal(name + "self_attn." + map + ".weight", {width, width});
      initial.constant(name + "self_attn." + map + ".bias", {width}, 0);
    }
    initial.norm(name + "layer_norm2", width);
    initial.truncated_normal(name + "mlp.fc1.weight", {c.mlp_width, width});
    initial.constant(name + "mlp.fc1.bias", {c.mlp_width}, 0);
    initial.truncated_normal(name + "mlp.fc2.weight", {width, c.mlp_width});
    initial.constant(name + "mlp.fc2.bias", {width}, 0);
  }
  if (c.final_norm) initial.norm("post_layernorm", width);
  return initial.take();
}

VitEncoder::VitEncoder(const VitConfig& config, const Parameters& parameters) : config_(config) {
  const ParameterLookup find(parameters, "encoder");
  const std::int64_t width = config.width;
  const auto norm = [&](const std::string& name) { return Norm{find(name + ".weight", {width}), find(name + ".bias", {width})}; };
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    return LinearMap{find(name + ".weight", {out, in}), find(name + ".bias", {out}), {}};
  };
  if (config.class_token) class_embedding_ = find("embeddings.class_embedding", {width});
  patch_.weight = find("embeddings.patch_embedding.weight", {width, 3, config.patch, config.patch});
  if (config.patch_bias) patch_.bias = find("embeddings.patch_embedding.bias", {width});
  positions_ = find("embeddings.position_embedding.weight", {config.tokens(), width});
  if (config.pre_norm) pre_norm_ = norm("pre_layrnorm");
  for (std::int64_t layer = 0; layer < config.depth; ++layer) {
    const auto name = block_name(layer);
    TransformerBlock block;
    for (const char* map : {"q_proj", "k_proj", "v_proj"}) block.qkv.push_back(linear(name + "self_attn." + map, width, width));
    block.output = linear(name + "self_attn.out_proj", width, width);
    block.mlp_in = linear(name + "mlp.fc1", config.mlp_width, width);
    block.mlp_out = linear(name + "mlp.fc2", width, config.mlp_width);
    block.norm1 = norm(name + "layer_norm1");
    block.norm2 = norm(name + "layer_norm2");
    block.heads = config.heads;
    block.activation = config.activation;
    block.epsilon = config.norm_epsilon;
    blocks_.push_back(std::move(block));
  }
  if (config.final_norm) final_norm_ = norm("post_layernorm");
}

const std::vector<std::string>& adapter_targets() {
  static const std::vector<std::string> names = {"query", "key", "value", "output", "mlp_in", "mlp_out", "patch"};
  return names;
}

LinearMap& VitEncoder::target_of(std::int64_t layer, const std::string& target) {
  auto& block = blocks_.at(static_cast<std::size_t>(layer));
  if (target == "patch") return patch_;
  if (target == "query") return block.qkv[0];
  if (target == "key") return block.qkv[1];
  if (target == "value") return block.qkv[2];
  if (target == "output") return block.output;
  if (target == "mlp_in") return block.mlp_in;
  if (target == "mlp_out") return block.mlp_out;
  throw InputError(fmt::format("there is no map \"{}\" to adapt. They are {}.", target, fmt::join(adapter_targets(), ", ")));
}

void VitEncoder::set_adapter(std::int64_t layer, const std::string& target, Adapter adapter) {
  target_of(layer, target).adapter = std::move(adapter);
}

const Adapter* VitEncoder::adapter(std::int64_t layer, const std::string& target) const {
  const auto& found = target_of(layer, target).adapter;
  return found && (target != "patch" || layer == 0) ? &*found : nullptr;
}

const Parameter& VitEncoder::weight(std::int64_t layer, const std::string& target) const { return target_of(layer, target).weight; }

void VitEncoder::set_observer(const MapObserver& observer) {
  observer_ = observer;
  for (auto& block : blocks_) block.observer = observer;
}

void VitEncoder::set_double_projection(bool on) {
  for (auto& block : blocks_) block.double_projection = on;
}

at::Tensor VitEncoder::embed(const at::Tensor& images) const {
  const std::int64_t R = images.size(0), B = images.size(1), C = config_.width, patches = config_.patches();
  const auto pixels = patches_of(images, config_).to(patch_.weight.value.scalar_type());
  const auto& weight = patch_.weight;
  const LinearMap map{{weight.value.flatten(weight.own ? 2 : 1), weight.own}, patch_.bias, patch_.adapter};
  auto x = linear(pixels, map, observer_).view({R, B, patches, C});
  if (config_.class_token) {
    const auto token = class_embedding_.own ? class_embedding_.value.view({R, 1, 1, C}) : class_embedding_.value.view({1, 1, 1, C});
    x = at::cat({token.expand({R, B, 1, C}), x}, 2);
  }
  x = x + (positions_.own ? positions_.value.unsqueeze(1) : positions_.value);
  return config_.pre_norm ? layer_norm(x, pre_norm_.weight, pre_norm_.bias, config_.norm_epsilon) : x;
}

at::Tensor VitEncoder::block(std::int64_t layer, const at::Tensor& x, at::Tensor* probabilities) const {
  const TransformerBlock& block = blocks_.at(static_cast<std::size_t>(layer));
  return run_block({"encoder", layer}, x, [&block, probabilities](const at::Tensor& x) { return transformer_block(x, block, {}, probabilities); });
}

at::Tensor VitEncoder::block_of_first(std::int64_t layer, const at::Tensor& x, std::int64_t tokens, at::Tensor* probabilities) const {
  return first_tokens(x, tokens, blocks_.at(static_cast<std::size_t>(layer)), probabilities);
}

at::Tensor VitEncoder::final_norm(const at::Tensor& x) const {
  return config_.final_norm ? layer_norm(x, final_norm_.weight, final_norm_.bias, config_.norm_epsilon) : x;
}

at::Tensor patchify(const at::Tensor& images, std::int64_t p) {
  const std::int64_t R = images.size(0), B = images.size(1), g = images.size(3) / p;
  return images.view({R, B, 3, g, p, g, p}).permute({0, 1, 3, 5, 2, 4, 6}).reshape({R, B, g * g, 3 * p * p});
}

}  // namespace palimpsest
