// Hugging Face's ViTModel (also behind "vit." in ViTForImageClassification) and the encoder of its ViTMAE, which share
// their names. Files bear the older spelling, models of transformers 5 in memory the newer one; both are read, the
// older is written.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/told_architecture.h"
#include "models/weight_family.h"

namespace palimpsest {
namespace {

nlohmann::ordered_json config_of(const VitConfig& c, const char* architecture, const char* model_type) {
  return {{"architectures", {architecture}},
          {"model_type", model_type},
          {"hidden_size", c.width},
          {"intermediate_size", c.mlp_width},
          {"num_hidden_layers", c.depth},
          {"num_attention_heads", c.heads},
          {"num_channels", 3},
          {"image_size", c.side},
          {"patch_size", c.patch},
          {"hidden_act", name_of(c.activation)},
          {"layer_norm_eps", c.norm_epsilon},
          {"qkv_bias", true},
          {"hidden_dropout_prob", 0.0},
          {"attention_probs_dropout_prob", 0.0}};
}

std::string vit_config(const VitConfig& c) { return config_of(c, "ViTModel", "vit").dump(2); }
std::string vit_mae_config(const VitConfig& c) { return config_of(c, "ViTMAEModel", "vit_mae").dump(2); }

std::string load_vit(const VitConfig&, const std::filesystem::path& file, const TensorMap&) {
  return fmt::format("transformers.ViTModel.from_pretrained(\"{}\", add_pooling_layer=False)",
                     std::filesystem::absolute(file).parent_path().string());
}
std::string load_vit_mae(const VitConfig&, const std::filesystem::path& file, const TensorMap&) {
  return fmt::format("transformers.ViTMAEModel.from_pretrained(\"{}\")",
                     std::filesystem::absolute(file).parent_path().string());
}

std::vector<WeightMap> block(const char* ours, const char* older, const char* newer) {
  return weight_and_bias({fmt::format("encoder.layers.{{}}.{}", ours)},
                         {fmt::format("encoder.layer.{{}}.{}", older), fmt::format("layers.{{}}.{}", newer)}, true);
}

std::vector<WeightMap> maps() {
  return joined({{{{"embeddings.class_embedding"}, {"embeddings.cls_token"}, Layout::kToken, true},
                  {{"embeddings.position_embedding.weight"}, {"embeddings.position_embeddings"}, Layout::kTable, true}},
                 weight_and_bias({"embeddings.patch_embedding"}, {"embeddings.patch_embeddings.projection"}, true),
                 block("layer_norm1", "layernorm_before", "layernorm_before"),
                 block("self_attn.q_proj", "attention.attention.query", "attention.q_proj"),
                 block("self_attn.k_proj", "attention.attention.key", "attention.k_proj"),
                 block("self_attn.v_proj", "attention.attention.value", "attention.v_proj"),
                 block("self_attn.out_proj", "attention.output.dense", "attention.o_proj"),
                 block("layer_norm2", "layernorm_after", "layernorm_after"),
                 block("mlp.fc1", "intermediate.dense", "mlp.fc1"),
                 block("mlp.fc2", "output.dense", "mlp.fc2"),
                 weight_and_bias({"post_layernorm"}, {"layernorm"}, true)});
}

const std::vector<std::vector<std::string>> kSigns = {
    {"embeddings.patch_embeddings.projection.weight", "encoder.layer.0.attention.attention.query.weight"},
    {"embeddings.patch_embeddings.projection.weight", "layers.0.attention.q_proj.weight"}};

// Pre-norm, with a class token of its own and positions that are not learned; ours is post-norm and has none.
const Companion kMaeDecoder = {
    .prefix = "decoder.",
    .what = "decoder",
    .why = "it is built otherwise than decoders here, and no sweep uses it",
    .model = "ViTMAEForPreTraining",
    .config_keys = {"decoder_hidden_size", "decoder_num_hidden_layers", "decoder_num_attention_heads",
                    "decoder_intermediate_size", "mask_ratio", "norm_pix_loss"}};

}  // namespace

extern const WeightFamily kVitWeights, kVitMaeWeights;
const WeightFamily kVitWeights = {.name = "vit",
                                  .meaning = "Hugging Face ViTModel",
                                  .signs = kSigns,
                                  .sign_of_file = "",
                                  .prefix = "",
                                  .maps = maps(),
                                  .unlike = {"embeddings.distillation_token", "embeddings.register_tokens"},
                                  .activation = Activation::kGelu,
                                  .norm_epsilon = 1e-12,
                                  .mean = {0.5f, 0.5f, 0.5f},
                                  .sd = {0.5f, 0.5f, 0.5f},
                                  .companion = {},
                                  .antialias = false,
                                  .config_json = vit_config,
                                  .how_to_load = load_vit};

const WeightFamily kVitMaeWeights = {.name = "vit-mae",
                                     .meaning = "Hugging Face ViTMAE",
                                     .signs = kSigns,
                                     .sign_of_file = "decoder.decoder_embed.weight",
                                     .prefix = "",
                                     .maps = maps(),
                                     .unlike = {},
                                     .activation = Activation::kGelu,
                                     .norm_epsilon = 1e-12,
                                     .mean = kImageNetMean,
                                     .sd = kImageNetSd,
                                     .companion = kMaeDecoder,
                                     .antialias = false,
                                     .config_json = vit_mae_config,
                                     .how_to_load = load_vit_mae};

}  // namespace palimpsest
