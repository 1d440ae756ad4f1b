#include "sweeps/familiarity_evoked.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "models/patch_scale.h"

namespace palimpsest {
namespace {

// Images of one pass through the encoder: few, so that what a block makes of them stays in the cache, whatever the pack.
constexpr std::int64_t kImagesPerPass = 64;

// The decoder's output for images whose clean versions are known, [R, b, 3, S, S].
at::Tensor as_images(const FastNetwork& network, const at::Tensor& output, const at::Tensor& clean) {
  const auto p = network.encoder.config().patch;
  return unpatchify(network.normalised_pixels ? PatchScale(pixel_patches(clean, p)).restored(output) : at::sigmoid(output), p);
}

// What each patch counts in a read-out by the figure, [R, b, K] -> the same, adding up to 1.
at::Tensor shares(const at::Tensor& figure, ReadOut::Tokens tokens) {
  const auto weights = tokens == ReadOut::kFigure ? figure : 1 - figure;
  return weights / weights.sum(-1, true);
}

// Whether nobody reads what the last block makes of the patches.
bool only_class_is_read(const Wanted& wanted) {
  return !wanted.rebuilt && std::ranges::all_of(wanted.readouts, [](const ReadOut& one) { return one.tokens == ReadOut::kClass; });
}

// Of few images [R, b, 3, S, S] and their clean versions: features [R, Q, L, b, C], maps [R, Q, L, b, K], of heads [R, Q, L H, b, K], reconstructions
// [R, b, 3, S, S]. `wanted.figure` is [R, b, K].
Evoked pass(const FastNetwork& network, const at::Tensor& images, const at::Tensor& clean, const Wanted& wanted) {
  const auto& config = network.encoder.config();
  const std::int64_t first_patch = config.class_token ? 1 : 0;
  std::vector<at::Tensor> features, attended, by_head;
  const auto read = [&](ReadOut::Tokens tokens, const at::Tensor& x) {   // [R, b, T, .] -> [R, b, .]
    if (tokens == ReadOut::kClass) return x.select(2, 0);
    const auto patches = x.slice(2, first_patch);
    return tokens == ReadOut::kMean ? patches.mean(2) : (patches * shares(wanted.figure, tokens).unsqueeze(-1)).sum(2);
  };
  // [R, b, T, .] of a block's input and output -> [R, Q, b, .]
  const auto read_out = [&](const at::Tensor& before, const at::Tensor& after) {
    std::vector<at::Tensor> each;
    for (const auto& one : wanted.readouts) each.push_back(read(one.tokens, one.input ? before : after));
    return at::stack(each, 1);
  };
  auto x = network.encoder.embed(images);
  for (std::int64_t layer = 0; layer < config.depth; ++layer) {
    at::Tensor probabilities;  // [R, b, H, T, T]
    const bool alone = layer + 1 == config.depth && only_class_is_read(wanted);
    auto* const kept = wanted.maps || wanted.heads ? &probabilities : nullptr;
    const auto before = x;
    x = alone ? network.encoder.block_of_first(layer, x, 1, kept) : network.encoder.block(layer, x, kept);
    features.push_back(read_out(before, x));
    const auto of_queries = [&](const at::Tensor& map) { return read_out(map, map); };   // [R, b, T, T]
    if (wanted.maps) attended.push_back(of_queries(probabilities.mean(2).slice(3, first_patch)));
    for (std::int64_t head = 0; wanted.heads && head < config.heads; ++head)
      by_head.push_back(of_queries(probabilities.select(2, head).slice(3, first_patch)));
  }
  return {at::stack(features, 2), wanted.maps ? at::stack(attended, 2) : at::Tensor(), wanted.heads ? at::stack(by_head, 2) : at::Tensor(),
          wanted.rebuilt ? as_images(network, decoded(network, x, {}), clean) : at::Tensor()};
}

}  // namespace

Evoked evoked(const FastNetwork& network, const at::Tensor& images, const Wanted& wanted) {
  const auto V = images.size(1), I = images.size(2);
  const auto flat = images.flatten(1, 2);
  std::vector<Evoked> parts;
  for (std::int64_t at = 0; at < V * I; at += kImagesPerPass) {
    const auto end = std::min(at + kImagesPerPass, V * I);
    const auto which = at::arange(at, end, at::TensorOptions(at::kLong).device(images.device())).remainder(I);
    auto here = wanted;
    if (wanted.figure.defined()) here.figure = wanted.figure.index_select(1, which);
    const auto clean = network.normalised_pixels ? images.select(1, 0).index_select(1, which) : at::Tensor();
    parts.push_back(pass(network, flat.slice(1, at, end), clean, here));
  }
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

at::Tensor decoded(const FastNetwork& network, const at::Tensor& tokens, const std::vector<BlockDropout>& drop) {
  const auto patches = network.encoder.config().class_token ? tokens.slice(2, 1).contiguous() : tokens;
  return network.decoder.forward(patches, drop);
}

at::Tensor rebuilt(const FastNetwork& network, const at::Tensor& images) {
  return as_images(network, decoded(network, encoded(network, images), {}), images);
}

}  // namespace palimpsest
