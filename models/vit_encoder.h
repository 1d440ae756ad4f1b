#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/run_axis.h"
#include "runtime/transformer_block.h"

namespace palimpsest {

/// What CLIP shifts and scales images by, a channel each.
constexpr std::array<float, 3> kClipMean = {0.48145466f, 0.4578275f, 0.40821073f};
constexpr std::array<float, 3> kClipSd = {0.26862954f, 0.26130258f, 0.27577711f};

/// A vision transformer as CLIP builds it (arXiv 2508.04988, 1.1), with what other families need as options. Weights bear the names of
/// Hugging Face's CLIPVisionModel.
struct VitConfig {
  std::int64_t width = 64, depth = 4, heads = 4, mlp_width = 256;
  std::int64_t patch = 8, side = 64;           // pixels
  Activation activation = Activation::kQuickGelu;
  double norm_epsilon = 1e-5;
  bool patch_bias = false;                     // of the patch embedding
  bool pre_norm = true;                        // a LayerNorm before the blocks (CLIP's ln_pre)
  bool class_token = true;
  bool final_norm = true;                      // weights of a LayerNorm after the last block; no layer's output includes it
  std::array<float, 3> mean = kClipMean, sd = kClipSd;   // images are normalised with

  std::int64_t grid() const { return side / patch; }
  std::int64_t patches() const { return grid() * grid(); }
  std::int64_t tokens() const { return patches() + (class_token ? 1 : 0); }
};
VitConfig vit_size(const std::string& name);   // micro | tiny | small | base (pretraining.md); throws InputError

/// Fresh weights, shared: truncated normal 0.02, zero biases, unit norms.
Parameters initial_vit(const VitConfig&, const RandomStream&);

/// The linear maps that can have an adapter, by name: query, key, value, output, mlp_in, mlp_out of each block, and patch, the
/// patch embedding, which counts to block 0.
const std::vector<std::string>& adapter_targets();

/// Images to tokens.
class VitEncoder {
 public:
  /// Takes the weights it needs of `parameters` by name; the tensors stay shared with it. Throws InputError on a missing one or a wrong shape.
  VitEncoder(const VitConfig& config, const Parameters& parameters);

  const VitConfig& config() const { return config_; }

  /// images [R, B, 3, S, S] in [0, 1] (R = 1 is spread over the runs of own weights) -> [R, B, T, C], the input of block 0.
  at::Tensor embed(const at::Tensor& images) const;
  /// Block `layer` of x [R, B, T, C]; any T. `probabilities`: as in attention().
  at::Tensor block(std::int64_t layer, const at::Tensor& x, at::Tensor* probabilities = nullptr) const;
  /// Of what it gives the first tokens only, without gradients: as first_tokens().
  at::Tensor block_of_first(std::int64_t layer, const at::Tensor& x, std::int64_t tokens, at::Tensor* probabilities = nullptr) const;
  at::Tensor final_norm(const at::Tensor& x) const;   // [R, B, T, C] after the last LayerNorm (contrastive reads its class token)

  /// Adds an adapter to a linear map (adapter_targets()).
  void set_adapter(std::int64_t layer, const std::string& target, Adapter adapter);
  const Adapter* adapter(std::int64_t layer, const std::string& target) const;   // nullptr where there is none
  const Parameter& weight(std::int64_t layer, const std::string& target) const;  // W of such a map: [D, C] (patch: [D, 3, p, p]), or own

  void set_observer(const MapObserver& observer);   // of every map with an adapter

  /// Multiplies what each head of a block gives, [R, H]; 0 knocks it out. Undefined: 1.
  void set_head_gain(std::int64_t layer, at::Tensor gain) { blocks_.at(static_cast<std::size_t>(layer)).head_gain = std::move(gain); }

  /// Multiplies queries, keys and values by W a second time, as the published code of arXiv 2508.04988 does (familiarity.md, D1).
  void set_double_projection(bool on);

 private:
  LinearMap& target_of(std::int64_t layer, const std::string& target);
  const LinearMap& target_of(std::int64_t layer, const std::string& target) const { return const_cast<VitEncoder*>(this)->target_of(layer, target); }

  VitConfig config_;
  Parameter class_embedding_, positions_;
  LinearMap patch_;                               // its weight [C, 3, p, p]
  MapObserver observer_;
  Norm pre_norm_, final_norm_;
  std::vector<TransformerBlock> blocks_;
};

/// [R, B, 3, S, S] -> [R, B, patches, 3 p p], patches row-major, inside one (channel, y, x): the order of a convolution's weight.
at::Tensor patchify(const at::Tensor& images, std::int64_t patch);

}  // namespace palimpsest
