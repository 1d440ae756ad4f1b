#include "models/decoder.h"

#include <cmath>
#include <memory>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "models/initial.h"
#include "models/parameter_lookup.h"
#include "runtime/block_hook.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr double kNormEpsilon = 1e-5;

std::string block_name(std::int64_t layer) { return fmt::format("blocks.{}.", layer); }

// The places of a layer that drop, each with numbers of its own.
enum DropSite : std::uint64_t { kAttentionWeights, kAfterAttention, kInsideFeedForward, kAfterFeedForward };

// Dropout of one layer and step; without streams it is the identity.
class Drop {
 public:
  Drop(const std::vector<RandomStream>& runs, std::uint64_t layer, double p, at::Device device)
      : runs_(runs), layer_(layer), p_(p), device_(device) {}

  // Each stream fills its own part of the shape, which leads with the runs, then the images.
  at::Tensor mask(DropSite site, const std::vector<std::int64_t>& shape) const {
    if (runs_.empty() || p_ == 0) return {};
    std::vector<RandomStream> streams;
    for (const auto& run : runs_) streams.push_back(run.child(layer_ * 4 + site));
    return dropout_mask(streams, {c10::multiply_integers(shape) / std::ssize(streams)}, p_, device_).view(shape);
  }

 private:
  const std::vector<RandomStream>& runs_;
  std::uint64_t layer_;
  double p_;
  at::Device device_;
};

}  // namespace

DecoderConfig decoder_size(const std::string& name) {
  if (name == "micro") return {.input_width = 64, .width = 64, .depth = 2, .heads = 4, .patch = 8, .side = 64};
  if (name == "tiny") return {.input_width = 192, .width = 128, .depth = 4, .heads = 4, .patch = 8, .side = 64};
  if (name == "small") return {.input_width = 384, .width = 256, .depth = 4, .heads = 8, .patch = 16, .side = 224};
  if (name == "base") return {.input_width = 768, .width = 512, .depth = 8, .heads = 8, .patch = 16, .side = 224};
  throw InputError(fmt::format("there is no decoder size \"{}\". Sizes are micro, tiny, small and base.", name));
}

Parameters initial_decoder(const DecoderConfig& c, const RandomStream& stream, bool mask_token) {
  Initial initial(stream);
  initial.linear("pixels", 3 * c.patch * c.patch, c.linear ? c.input_width : c.width);
  if (c.linear) return initial.take();
  initial.linear("embed", c.width, c.input_width);
  initial.truncated_normal("position", {1, c.patches(), c.width});
  for (std::int64_t layer = 0; layer < c.depth; ++layer) {
    const auto name = block_name(layer);
    initial.uniform(name + "self_attn.in_proj_weight", {3 * c.width, c.width}, std::sqrt(6.0 / (4.0 * c.width)));   // Xavier of [3 D, D]
    initial.constant(name + "self_attn.in_proj_bias", {3 * c.width}, 0);
    initial.uniform(name + "self_attn.out_proj.weight", {c.width, c.width}, 1.0 / std::sqrt(static_cast<double>(c.width)));
    initial.constant(name + "self_attn.out_proj.bias", {c.width}, 0);
    initial.linear(name + "linear1", 4 * c.width, c.width);
    initial.linear(name + "linear2", c.width, 4 * c.width);
    initial.norm(name + "norm1", c.width);
    initial.norm(name + "norm2", c.width);
  }
  initial.norm("norm", c.width);
  if (mask_token) initial.truncated_normal("mask_token", {c.width});
  return initial.take();
}

Decoder::Decoder(const DecoderConfig& c, const Parameters& parameters) : config_(c) {
  const ParameterLookup find(parameters, "decoder");
  const std::int64_t D = c.width;
  pixels_weight_ = find("pixels.weight", {3 * c.patch * c.patch, c.linear ? c.input_width : D});
  pixels_bias_ = find("pixels.bias", {3 * c.patch * c.patch});
  if (c.linear) return;
  embed_weight_ = find("embed.weight", {D, c.input_width});
  embed_bias_ = find("embed.bias", {D});
  position_ = find("position", {1, c.patches(), D});
  for (std::int64_t layer = 0; layer < c.depth; ++layer) {
    const auto n = block_name(layer);
    TransformerBlock block;
    block.qkv = {{find(n + "self_attn.in_proj_weight", {3 * D, D}), find(n + "self_attn.in_proj_bias", {3 * D}), {}}};
    block.output = {find(n + "self_attn.out_proj.weight", {D, D}), find(n + "self_attn.out_proj.bias", {D}), {}};
    block.mlp_in = {find(n + "linear1.weight", {4 * D, D}), find(n + "linear1.bias", {4 * D}), {}};
    block.mlp_out = {find(n + "linear2.weight", {D, 4 * D}), find(n + "linear2.bias", {D}), {}};
    block.norm1 = {find(n + "norm1.weight", {D}), find(n + "norm1.bias", {D})};
    block.norm2 = {find(n + "norm2.weight", {D}), find(n + "norm2.bias", {D})};
    block.heads = c.heads;
    block.epsilon = kNormEpsilon;
    block.norm_first = false;
    blocks_.push_back(std::move(block));
  }
  norm_weight_ = find("norm.weight", {D});
  norm_bias_ = find("norm.bias", {D});
  if (parameters.contains("mask_token")) mask_token_ = find("mask_token", {D});
}

at::Tensor Decoder::embed(const at::Tensor& tokens) const {
  const std::int64_t R = tokens.size(0), B = tokens.size(1), n = tokens.size(2);
  return linear(tokens.reshape({R, B * n, -1}), embed_weight_, embed_bias_).view({R, B, n, config_.width});
}

at::Tensor Decoder::through_blocks(const at::Tensor& embedded, const DropoutOf& drop) const {
  auto x = embedded + position_.value;   // own: [R, 1, T, D]; shared: [1, T, D]
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer)
    x = run_block({"decoder", static_cast<std::int64_t>(layer)}, x, [this, layer, drop](const at::Tensor& x) { return transformer_block(x, blocks_[layer], drop(layer, x)); });
  return x;
}

at::Tensor Decoder::decode(const at::Tensor& embedded, const std::vector<RandomStream>& runs) const {
  return through_blocks(embedded, [this, runs](std::size_t layer, const at::Tensor& x) { return dropout_of(layer, runs, x.size(0), x.size(1), x.device()); });
}

at::Tensor Decoder::decode(const at::Tensor& embedded, const std::vector<BlockDropout>& drawn) const {
  return through_blocks(embedded, [all = std::make_shared<const std::vector<BlockDropout>>(drawn)](std::size_t layer, const at::Tensor&) {
    return all->empty() ? BlockDropout{} : (*all)[layer];   // a block may be computed again after this has returned
  });
}

BlockDropout Decoder::dropout_of(std::size_t layer, const std::vector<RandomStream>& runs, std::int64_t R, std::int64_t B, at::Device device) const {
  const std::int64_t T = config_.patches(), D = config_.width;
  const Drop drop(runs, layer, config_.dropout, device);
  return {drop.mask(kAttentionWeights, {R, B, config_.heads, T, T}), drop.mask(kAfterAttention, {R, B, T, D}),
          drop.mask(kInsideFeedForward, {R, B, T, 4 * D}), drop.mask(kAfterFeedForward, {R, B, T, D})};
}

std::vector<BlockDropout> Decoder::draw_dropout(const std::vector<RandomStream>& runs, std::int64_t R, std::int64_t B) const {
  std::vector<BlockDropout> all;
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) all.push_back(dropout_of(layer, runs, R, B, pixels_weight_.value.device()));
  return all;
}

at::Tensor Decoder::forward(const at::Tensor& tokens, const std::vector<RandomStream>& runs) const {
  return config_.linear ? pixels(tokens) : pixels(decode(embed(tokens), runs));
}

at::Tensor Decoder::forward(const at::Tensor& tokens, const std::vector<BlockDropout>& drawn) const {
  return config_.linear ? pixels(tokens) : pixels(decode(embed(tokens), drawn));
}

at::Tensor Decoder::pixels(const at::Tensor& decoded) const {
  const auto x = config_.linear ? decoded : layer_norm(decoded, norm_weight_, norm_bias_, kNormEpsilon);
  const std::int64_t R = x.size(0), B = x.size(1), T = x.size(2);
  return linear(x.reshape({R, B * T, -1}), pixels_weight_, pixels_bias_).view({R, B, T, -1}).to(at::kFloat);   // a loss is formed in float32
}

at::Tensor unpatchify(const at::Tensor& patches, std::int64_t p) {
  const std::int64_t R = patches.size(0), B = patches.size(1), g = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(patches.size(2)))));
  return patches.view({R, B, g, g, p, p, 3}).permute({0, 1, 6, 2, 4, 3, 5}).reshape({R, B, 3, g * p, g * p});
}

at::Tensor pixel_patches(const at::Tensor& images, std::int64_t p) {
  const std::int64_t R = images.size(0), B = images.size(1), g = images.size(3) / p;
  return images.view({R, B, 3, g, p, g, p}).permute({0, 1, 3, 5, 4, 6, 2}).reshape({R, B, g * g, p * p * 3});
}

}  // namespace palimpsest
