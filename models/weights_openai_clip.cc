// OpenAI's CLIP and open_clip: the vision transformer under "visual.", queries, keys and values in one in_proj.

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>

#include "models/told_architecture.h"
#include "models/weight_family.h"

namespace palimpsest {
namespace {

// What the text encoder's shapes tell, with heads of 64 as in published models.
std::string text_config(const TensorMap& kept) {
  const auto words = kept.find("token_embedding.weight"), places = kept.find("positional_embedding");
  if (words == kept.end() || places == kept.end()) return "{}";
  std::int64_t layers = 0;
  while (kept.contains(fmt::format("transformer.resblocks.{}.ln_1.weight", layers))) ++layers;
  const std::int64_t width = words->second.size(1);
  return fmt::format("dict(context_length={}, vocab_size={}, width={}, heads={}, layers={})", places->second.size(0),
                     words->second.size(0), width, std::max<std::int64_t>(1, width / 64), layers);
}

std::string how_to_load(const VitConfig& c, const std::filesystem::path& file, const TensorMap& kept) {
  const auto projection = kept.find("visual.proj");
  return fmt::format(
      "open_clip.model.CLIP(embed_dim={}, vision_cfg=dict(image_size={}, layers={}, width={}, head_width={}, "
      "mlp_ratio={}, patch_size={}), text_cfg={}, "
      "quick_gelu={}).load_state_dict(safetensors.torch.load_file(\"{}\"), strict=False)",
      projection == kept.end() ? 512 : projection->second.size(1), c.side, c.depth, c.width, c.width / c.heads, static_cast<double>(c.mlp_width) / static_cast<double>(c.width),
      c.patch, text_config(kept), c.activation == Activation::kQuickGelu ? "True" : "False", std::filesystem::absolute(file).string());
}

std::vector<WeightMap> block(const char* ours, const char* theirs) {
  return weight_and_bias({fmt::format("encoder.layers.{{}}.{}", ours)},
                         {fmt::format("transformer.resblocks.{{}}.{}", theirs)}, true);
}

const std::vector<std::string> kQkvWeights = {"encoder.layers.{}.self_attn.q_proj.weight",
                                              "encoder.layers.{}.self_attn.k_proj.weight",
                                              "encoder.layers.{}.self_attn.v_proj.weight"};
const std::vector<std::string> kQkvBiases = {"encoder.layers.{}.self_attn.q_proj.bias",
                                             "encoder.layers.{}.self_attn.k_proj.bias",
                                             "encoder.layers.{}.self_attn.v_proj.bias"};

}  // namespace

extern const WeightFamily kOpenAiClipWeights;
const WeightFamily kOpenAiClipWeights = {
    .name = "openai-clip",
    .meaning = "OpenAI CLIP, open_clip",
    .signs = {{"conv1.weight", "transformer.resblocks.0.attn.in_proj_weight"}},
    .sign_of_file = "",
    .prefix = "visual.",
    .maps = joined({{{{"embeddings.class_embedding"}, {"class_embedding"}, Layout::kSame, true},
                     {{"embeddings.position_embedding.weight"}, {"positional_embedding"}, Layout::kSame, true},
                     {{"embeddings.patch_embedding.weight"}, {"conv1.weight"}, Layout::kSame, true}},
                    weight_and_bias({"pre_layrnorm"}, {"ln_pre"}),
                    block("layer_norm1", "ln_1"),
                    {{kQkvWeights, {"transformer.resblocks.{}.attn.in_proj_weight"}, Layout::kSame, true},
                     {kQkvBiases, {"transformer.resblocks.{}.attn.in_proj_bias"}, Layout::kSame, true}},
                    block("self_attn.out_proj", "attn.out_proj"),
                    block("layer_norm2", "ln_2"),
                    block("mlp.fc1", "mlp.c_fc"),
                    block("mlp.fc2", "mlp.c_proj"),
                    weight_and_bias({"post_layernorm"}, {"ln_post"})}),
    .unlike = {},
    .activation = Activation::kQuickGelu,
    .norm_epsilon = 1e-5,
    .mean = kClipMean,
    .sd = kClipSd,
    .companion = {},
    .antialias = true,
    .config_json = nullptr,
    .how_to_load = how_to_load};

}  // namespace palimpsest
