// Hugging Face's CLIPVisionModel and CLIPModel (and SiglipVisionModel, which shares their names): the names that our
// own files bear.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/told_architecture.h"
#include "models/weight_family.h"

namespace palimpsest {
namespace {

std::vector<WeightMap> same(std::initializer_list<const char*> names) {
  std::vector<WeightMap> out;
  for (const char* name : names)
    for (auto& map : weight_and_bias({name}, {name})) out.push_back(map);
  return out;
}

std::string config_json(const VitConfig& c) {
  return nlohmann::ordered_json{{"architectures", {"CLIPVisionModel"}},
                                {"model_type", "clip_vision_model"},
                                {"hidden_size", c.width},
                                {"intermediate_size", c.mlp_width},
                                {"num_hidden_layers", c.depth},
                                {"num_attention_heads", c.heads},
                                {"num_channels", 3},
                                {"image_size", c.side},
                                {"patch_size", c.patch},
                                {"hidden_act", name_of(c.activation)},
                                {"layer_norm_eps", c.norm_epsilon},
                                {"attention_dropout", 0.0}}
      .dump(2);
}

std::string how_to_load(const VitConfig&, const std::filesystem::path& file, const TensorMap&) {
  return fmt::format("transformers.CLIPVisionModel.from_pretrained(\"{}\")",
                     std::filesystem::absolute(file).parent_path().string());
}

const Companion kTextEncoder = {
    .prefix = "text_model.",
    .what = "text encoder",
    .why = "sweeps show images alone",
    .model = "CLIPModel",
    .config_keys = {"model_type", "text_config", "vision_config", "projection_dim", "logit_scale_init_value"}};

}  // namespace

extern const WeightFamily kClipWeights;
const WeightFamily kClipWeights = {
    .name = "clip",
    .meaning = "Hugging Face CLIPVisionModel, CLIPModel",
    .signs = {{"embeddings.patch_embedding.weight", "encoder.layers.0.self_attn.q_proj.weight"}},
    .sign_of_file = "",
    .prefix = "",
    .maps = joined(
        {{{{"embeddings.class_embedding"}, {"embeddings.class_embedding"}, Layout::kSame, true},
          {{"embeddings.position_embedding.weight"}, {"embeddings.position_embedding.weight"}, Layout::kSame, true},
          {{"embeddings.patch_embedding.weight"}, {"embeddings.patch_embedding.weight"}, Layout::kSame, true},
          {{"embeddings.patch_embedding.bias"}, {"embeddings.patch_embedding.bias"}}},
         same({"pre_layrnorm", "encoder.layers.{}.layer_norm1", "encoder.layers.{}.self_attn.q_proj",
               "encoder.layers.{}.self_attn.k_proj", "encoder.layers.{}.self_attn.v_proj",
               "encoder.layers.{}.self_attn.out_proj", "encoder.layers.{}.layer_norm2", "encoder.layers.{}.mlp.fc1",
               "encoder.layers.{}.mlp.fc2", "post_layernorm"})}),
    .unlike = {},
    .activation = Activation::kQuickGelu,
    .norm_epsilon = 1e-5,
    .mean = kClipMean,
    .sd = kClipSd,
    .companion = kTextEncoder,
    .antialias = false,
    .config_json = config_json,
    .how_to_load = how_to_load};

}  // namespace palimpsest
