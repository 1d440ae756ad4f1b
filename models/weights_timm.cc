// timm's VisionTransformer, and what is named like it (the MAE of its authors, DeiT): queries, keys and values in one
// map, qkv.

#include <fmt/format.h>

#include "models/told_architecture.h"
#include "models/weight_family.h"

namespace palimpsest {
namespace {

const char* act_layer(Activation activation) {
  switch (activation) {
    case Activation::kQuickGelu:
      return "quick_gelu";
    case Activation::kGeluTanh:
      return "gelu_tanh";
    case Activation::kRelu:
      return "relu";
    default:
      return "gelu";
  }
}

const char* in_python(bool yes) { return yes ? "True" : "False"; }

// A head reads the class token; one with a norm of its own, the mean over patches.
std::string how_to_load(const VitConfig& c, const std::filesystem::path& file, const TensorMap& kept) {
  const auto head = kept.find("head.weight");
  const bool of_mean = kept.contains("fc_norm.weight");
  return fmt::format(
      "timm.models.VisionTransformer(img_size={}, patch_size={}, embed_dim={}, depth={}, num_heads={}, mlp_ratio={}, "
      "num_classes={}, global_pool=\"{}\", "
      "class_token={}, pre_norm={}, final_norm={}, act_layer=\"{}\", norm_layer=functools.partial(torch.nn.LayerNorm, "
      "eps={}))"
      ".load_state_dict(safetensors.torch.load_file(\"{}\"))",
      c.side, c.patch, c.width, c.depth, c.heads, static_cast<double>(c.mlp_width) / static_cast<double>(c.width),
      head == kept.end() ? 0 : head->second.size(0), of_mean ? "avg" : head != kept.end() && c.class_token ? "token" : "",
      in_python(c.class_token), in_python(c.pre_norm), in_python(c.final_norm || of_mean), act_layer(c.activation), c.norm_epsilon,
      std::filesystem::absolute(file).string());
}

std::vector<WeightMap> block(const char* ours, const char* theirs) {
  return weight_and_bias({fmt::format("encoder.layers.{{}}.{}", ours)}, {fmt::format("blocks.{{}}.{}", theirs)}, true);
}

}  // namespace

extern const WeightFamily kTimmWeights;
const WeightFamily kTimmWeights = {
    .name = "timm",
    .meaning = "timm VisionTransformer",
    .signs = {{"patch_embed.proj.weight", "blocks.0.attn.qkv.weight"}},
    .sign_of_file = "",
    .prefix = "",
    .maps = joined({{{{"embeddings.class_embedding"}, {"cls_token"}, Layout::kToken},
                     {{"embeddings.position_embedding.weight"}, {"pos_embed"}, Layout::kTable, true}},
                    weight_and_bias({"embeddings.patch_embedding"}, {"patch_embed.proj"}),
                    weight_and_bias({"pre_layrnorm"}, {"norm_pre"}),
                    block("layer_norm1", "norm1"),
                    weight_and_bias({"encoder.layers.{}.self_attn.q_proj", "encoder.layers.{}.self_attn.k_proj",
                                     "encoder.layers.{}.self_attn.v_proj"},
                                    {"blocks.{}.attn.qkv"}, true),
                    block("self_attn.out_proj", "attn.proj"),
                    block("layer_norm2", "norm2"),
                    block("mlp.fc1", "mlp.fc1"),
                    block("mlp.fc2", "mlp.fc2"),
                    weight_and_bias({"post_layernorm"}, {"norm"})}),
    .unlike = {"reg_token", "dist_token"},
    .activation = Activation::kGelu,
    .norm_epsilon = 1e-6,
    .mean = kImageNetMean,
    .sd = kImageNetSd,
    .companion = {},
    .antialias = true,
    .config_json = nullptr,
    .how_to_load = how_to_load};

}  // namespace palimpsest
