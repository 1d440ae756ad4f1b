#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/run_axis.h"
#include "runtime/transformer_block.h"

namespace palimpsest {

/// The decoder of arXiv 2508.04988 (1.2): post-norm transformer layers on the patch tokens, then pixels. Or one linear map of each token to the pixels of
/// its patch, which adds nothing of its own.
struct DecoderConfig {
  std::int64_t input_width = 64;               // of the encoder
  std::int64_t width = 64, depth = 2, heads = 4;
  std::int64_t patch = 8, side = 64;
  double dropout = 0.1;                        // on attention weights, after attention, inside and after the feed-forward part
  bool linear = false;                         // "pixels" is all it has; width, depth and heads say nothing then

  std::int64_t grid() const { return side / patch; }
  std::int64_t patches() const { return grid() * grid(); }
};
DecoderConfig decoder_size(const std::string& name);   // micro | tiny | small | base

/// Fresh weights, shared (torch's TransformerEncoderLayer initialisation). `mask_token` adds the token of the masked autoencoder.
/// Names: "embed.weight", "position", "blocks.0.self_attn.in_proj_weight", ..., "norm.weight", "pixels.weight", "mask_token".
Parameters initial_decoder(const DecoderConfig&, const RandomStream&, bool mask_token);

class Decoder {
 public:
  Decoder(const DecoderConfig& config, const Parameters& parameters);
  const DecoderConfig& config() const { return config_; }

  /// tokens [R, B, patches, input_width] (no class token) -> [R, B, patches, 3 p p] before the sigmoid, inside a patch (y, x, channel).
  /// `drop`: one stream per run and step while training, or one per run and image ([R * B]: then no image's numbers depend on
  /// its batch); empty: no dropout.
  at::Tensor forward(const at::Tensor& tokens, const std::vector<RandomStream>& drop = {}) const;
  /// With what was drawn from those streams before, for R runs of B images; one for each layer, or none at all.
  at::Tensor forward(const at::Tensor& tokens, const std::vector<BlockDropout>& drawn) const;
  std::vector<BlockDropout> draw_dropout(const std::vector<RandomStream>& drop, std::int64_t R, std::int64_t B) const;

  /// The same in two parts, for the masked autoencoder, which puts mask tokens between them (no linear decoder has them): embed [R, B, n, input_width] -> [R, B, n, width].
  at::Tensor embed(const at::Tensor& tokens) const;
  at::Tensor decode(const at::Tensor& embedded, const std::vector<RandomStream>& drop = {}) const;   // [R, B, patches, width]
  at::Tensor decode(const at::Tensor& embedded, const std::vector<BlockDropout>& drawn) const;
  at::Tensor pixels(const at::Tensor& decoded) const;   // last norm and linear map: [R, B, patches, width] -> [R, B, patches, 3 p p]
  const Parameter& mask_token() const { return mask_token_; }   // [width] or own [R, width]; undefined where there is none

 private:
  using DropoutOf = std::function<BlockDropout(std::size_t layer, const at::Tensor& x)>;   // when the block is computed, and computed again
  at::Tensor through_blocks(const at::Tensor& embedded, const DropoutOf&) const;
  BlockDropout dropout_of(std::size_t layer, const std::vector<RandomStream>& drop, std::int64_t R, std::int64_t B, at::Device device) const;
  DecoderConfig config_;
  Parameter embed_weight_, embed_bias_, position_, norm_weight_, norm_bias_, pixels_weight_, pixels_bias_, mask_token_;
  std::vector<TransformerBlock> blocks_;
};

/// [R, B, patches, 3 p p] with (y, x, channel) inside a patch -> [R, B, 3, S, S].
at::Tensor unpatchify(const at::Tensor& patches, std::int64_t patch);
/// The inverse: what the decoder's output is compared with.
at::Tensor pixel_patches(const at::Tensor& images, std::int64_t patch);

}  // namespace palimpsest
