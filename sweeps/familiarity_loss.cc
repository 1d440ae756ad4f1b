#include "sweeps/familiarity_loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/patch_mask.h"
#include "models/patch_scale.h"
#include "sweeps/familiarity_evoked.h"

namespace palimpsest {
namespace {

// [4, R] on the device, in the order of LossInputs::Weight.
at::Tensor weights_of(const std::vector<LossConfig>& runs, at::Device device) {
  std::vector<float> out;
  for (const auto weight : {&LossConfig::pixels, &LossConfig::masked, &LossConfig::features, &LossConfig::l1})
    for (const auto& run : runs) out.push_back(static_cast<float>(run.*weight));
  return at::tensor(out).view({4, -1}).to(device);
}

// [R] of patches [R, I, K, 3 p p].
at::Tensor error(const at::Tensor& guess, const at::Tensor& target, const at::Tensor& l1) {
  const auto difference = (guess - target).flatten(1);
  return difference.square().mean(1) + l1 * difference.abs().mean(1);
}

// As choose_tokens, each run's own: tokens [R, I, T, C], chosen [R I, K] -> [R, I, K, C].
at::Tensor chosen_tokens(const at::Tensor& tokens, const at::Tensor& chosen) {
  const auto R = tokens.size(0), I = tokens.size(1);
  return choose_tokens(tokens.reshape({1, R * I, tokens.size(2), tokens.size(3)}), chosen).view({R, I, chosen.size(1), tokens.size(3)});
}

PatchMask masks(const std::vector<RandomStream>& runs, std::int64_t images, std::int64_t patches, double share, at::Device device) {
  std::vector<RandomStream> all;
  for (const auto& run : runs)
    for (std::int64_t i = 0; i < images; ++i) all.push_back(run.child(static_cast<std::uint64_t>(i)));
  const auto drawn = draw_patch_mask(all, patches, share);
  return {drawn.kept.to(device), drawn.masked.to(device), drawn.place.to(device)};
}

// What the decoder makes of all patches where the encoder has seen the kept ones, [R, I, K, 3 p p].
at::Tensor from_the_seen(const FastNetwork& network, const at::Tensor& shown, const PatchMask& mask, const std::vector<BlockDropout>& drop) {
  const auto& config = network.encoder.config();
  const std::int64_t first = config.class_token ? 1 : 0, R = shown.size(0), I = shown.size(1), M = mask.masked.size(1);
  auto seen = mask.kept + first;
  if (first == 1) seen = at::cat({at::zeros({R * I, 1}, seen.options()), seen}, 1);
  auto tokens = chosen_tokens(network.encoder.embed(shown), seen);
  for (std::int64_t layer = 0; layer < config.depth; ++layer) tokens = network.encoder.block(layer, tokens);
  const auto embedded = network.decoder.embed(tokens.slice(2, first));
  const auto token = network.decoder.mask_token().value.view({R, 1, 1, -1}).expand({R, I, M, -1});
  const auto all = chosen_tokens(at::cat({embedded, token}, 2), mask.place);
  return network.decoder.pixels(network.decoder.decode(all, drop));
}

}  // namespace

std::vector<at::Tensor*> LossInputs::tensors() {
  std::vector<at::Tensor*> out = {&weights, &mask.kept, &mask.masked, &mask.place};
  for (auto* pass : {&drop, &masked_drop})
    for (auto& layer : *pass) out.insert(out.end(), {&layer.weights, &layer.attended, &layer.inside, &layer.fed});
  return out;
}

LossInputs loss_inputs(const FastNetwork& network, const std::vector<LossConfig>& runs, std::int64_t images, const LossStreams& streams) {
  const auto& common = runs.front();
  const auto R = std::ssize(runs);
  LossInputs out{.weights = weights_of(runs, network.device), .drop = {}, .masked_drop = {}, .mask = {}};
  if (common.whole()) out.drop = network.decoder.draw_dropout(streams.drop, R, images);
  if (common.masked <= 0) return out;
  out.masked_drop = network.decoder.draw_dropout(streams.masked_drop, R, images);
  out.mask = masks(streams.mask, images, network.encoder.config().patches(), common.mask, network.device);
  return out;
}

FamiliarityLoss::FamiliarityLoss(const SlowWeights& slow, const std::vector<std::int64_t>& layers, bool double_projection, at::Device device) : layers_(layers) {
  if (layers_.empty()) return;
  Parameters there;
  for (const auto& [name, parameter] : slow.encoder) there[name] = {parameter.value.to(device), false};
  slow_.emplace(slow.config, there);
  slow_->set_double_projection(double_projection);
}

at::Tensor FamiliarityLoss::operator()(const FastNetwork& network, const LossConfig& common, const at::Tensor& shown, const at::Tensor& target,
                                       const LossInputs& inputs) const {
  const auto l1 = inputs.weights[LossInputs::kL1];
  const auto pixels = pixel_patches(target, network.encoder.config().patch);
  const auto wanted = network.normalised_pixels ? PatchScale(pixels).normalised(pixels) : pixels;
  const auto as_wanted = [&](const at::Tensor& output) { return network.normalised_pixels ? output : at::sigmoid(output); };
  at::Tensor sum;
  const auto add = [&](LossInputs::Weight weight, const at::Tensor& term) {
    const auto weighted = inputs.weights[weight] * term;
    sum = sum.defined() ? sum + weighted : weighted;
  };
  if (common.whole()) {
    const auto guess = as_wanted(decoded(network, encoded(network, shown), inputs.drop));
    if (common.pixels > 0) add(LossInputs::kPixels, error(guess, wanted, l1));
    if (common.features > 0) {
      const auto in_pixels = network.normalised_pixels ? PatchScale(pixels).restored(guess) : guess;
      add(LossInputs::kFeatures, features(unpatchify(in_pixels, network.encoder.config().patch), target));
    }
  }
  if (common.masked > 0) {
    const auto guess = as_wanted(from_the_seen(network, shown, inputs.mask, inputs.masked_drop));
    add(LossInputs::kMasked, error(chosen_tokens(guess, inputs.mask.masked), chosen_tokens(wanted, inputs.mask.masked), l1));
  }
  return sum;
}

std::vector<at::Tensor> FamiliarityLoss::responses(const at::Tensor& images) const {
  std::vector<at::Tensor> out;
  auto x = slow_->embed(images);
  for (std::int64_t layer = 0; layer <= layers_.back(); ++layer) {
    x = slow_->block(layer, x);
    if (std::ranges::find(layers_, layer) != layers_.end()) out.push_back(x);
  }
  return out;
}

at::Tensor FamiliarityLoss::features(const at::Tensor& guess, const at::Tensor& target) const {
  std::vector<at::Tensor> to;
  {
    const at::NoGradGuard no_gradient;
    to = responses(target);
  }
  const auto from = responses(guess);
  at::Tensor sum;
  for (std::size_t l = 0; l < to.size(); ++l) {
    const auto off = (from[l] - to[l]).flatten(1).square().mean(1) / to[l].flatten(1).square().mean(1);
    sum = sum.defined() ? sum + off : off;
  }
  return sum / static_cast<double>(to.size());
}

}  // namespace palimpsest
