#include "sweeps/familiarity_evoked.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

// Images of one pass through the encoder: few, so that what a block makes of them stays in the cache, whatever the pack.
constexpr std::int64_t kImagesPerPass = 64;

// Of few images: features [R, Q, L, b, C], maps [R, Q, L, b, K], of heads [R, Q, L H, b, K], reconstructions [R, b, 3, S, S].
Evoked pass(const FastNetwork& network, const at::Tensor& images, const Wanted& wanted) {
  const auto& config = network.encoder.config();
  const std::int64_t first_patch = config.class_token ? 1 : 0;
  const bool class_token = config.class_token && wanted.class_token;
  std::vector<at::Tensor> features, attended, by_head;
  // [R, b, T, .] -> [R, Q, b, .]
  const auto read_out = [&](const at::Tensor& tokens) {
    std::vector<at::Tensor> each;
    if (class_token) each.push_back(tokens.select(2, 0));
    if (wanted.patch_mean) each.push_back(tokens.slice(2, first_patch).mean(2));
    return at::stack(each, 1);
  };
  auto x = network.encoder.embed(images);
  for (std::int64_t layer = 0; layer < config.depth; ++layer) {
    at::Tensor probabilities;  // [R, b, H, T, T]
    const bool alone = layer + 1 == config.depth && !wanted.patch_mean && !wanted.rebuilt;  // nobody reads the patches
    auto* const kept = wanted.maps || wanted.heads ? &probabilities : nullptr;
    x = alone ? network.encoder.block_of_first(layer, x, 1, kept) : network.encoder.block(layer, x, kept);
    features.push_back(read_out(x));
    if (wanted.maps) attended.push_back(read_out(probabilities.mean(2).slice(3, first_patch)));
    for (std::int64_t head = 0; wanted.heads && head < config.heads; ++head)
      by_head.push_back(read_out(probabilities.select(2, head).slice(3, first_patch)));
  }
  return {at::stack(features, 2), wanted.maps ? at::stack(attended, 2) : at::Tensor(), wanted.heads ? at::stack(by_head, 2) : at::Tensor(),
          wanted.rebuilt ? unpatchify(at::sigmoid(decoded(network, x, {})), config.patch) : at::Tensor()};
}

}  // namespace

Evoked evoked(const FastNetwork& network, const at::Tensor& images, const Wanted& wanted) {
  const auto V = images.size(1), I = images.size(2);
  const auto flat = images.flatten(1, 2);
  std::vector<Evoked> parts;
  for (std::int64_t at = 0; at < V * I; at += kImagesPerPass)
    parts.push_back(pass(network, flat.slice(1, at, std::min(at + kImagesPerPass, V * I)).contiguous(), wanted));
  const auto joined = [&](at::Tensor Evoked::*member, std::int64_t dimension) {
    std::vector<at::Tensor> all;
    for (const auto& part : parts) all.push_back(part.*member);
    return at::cat(all, dimension);
  };
  const auto by_variant = [&](const at::Tensor& all) {  // [R, Q, L, V I, .]
    return all.to(at::kCPU).to(at::kDouble).reshape({all.size(0), all.size(1), all.size(2), V, I, all.size(4)});
  };
  return {by_variant(joined(&Evoked::features, 3)), wanted.maps ? by_variant(joined(&Evoked::maps, 3)) : at::Tensor(),
          wanted.heads ? by_variant(joined(&Evoked::head_maps, 3)) : at::Tensor(),
          wanted.rebuilt ? joined(&Evoked::rebuilt, 1).view_as(images).to(at::kCPU) : at::Tensor()};
}

at::Tensor encoded(const FastNetwork& network, const at::Tensor& images) {
  auto x = network.encoder.embed(images);
  for (std::int64_t layer = 0; layer < network.encoder.config().depth; ++layer) x = network.encoder.block(layer, x);
  return x;
}

at::Tensor decoded(const FastNetwork& network, const at::Tensor& tokens, const std::vector<RandomStream>& drop) {
  const auto patches = network.encoder.config().class_token ? tokens.slice(2, 1).contiguous() : tokens;
  return network.decoder.forward(patches, drop);
}

at::Tensor rebuilt(const FastNetwork& network, const at::Tensor& images) {
  return unpatchify(at::sigmoid(decoded(network, encoded(network, images), {})), network.encoder.config().patch);
}

}  // namespace palimpsest
