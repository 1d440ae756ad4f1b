#include "sweeps/familiarity_inspect.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "runtime/durable_file.h"
#include "runtime/key_error.h"
#include "runtime/safetensors.h"

namespace palimpsest {
namespace {

// Noise is drawn on a grid of noise.side: smaller images would be enlarged before it, and none may be less than a patch.
void refuse_small(const ImageSource& source, const ImageSets& sets, const FamiliarityConfig& config, const VitConfig& encoder) {
  const bool on_image = !config.noise.after_resize;
  const std::int64_t least = on_image ? config.noise.side : encoder.patch;
  for (const auto* set : {&sets.familiar, &sets.novel, &sets.reference})
    for (const auto index : *set) {
      const Image image = source.image(index);
      if (std::min(image.width, image.height) >= least) continue;
      throw InputError(fmt::format("{}: this image is {} x {} pixels, too small for {}. Give larger images{}.", source.name(index), image.width,
                                   image.height, on_image ? fmt::format("noise.side = {}: it would be enlarged before noise is drawn", least)
                                                          : fmt::format("an encoder with patches of {}", least),
                                   on_image ? ", or lower noise.side" : ""));
    }
}

// Read-outs of figure and ground need some of each in every image, of the reference too.
void refuse_without_figure(const ImageSource& source, const ImageSets& sets, const VitConfig& encoder) {
  const auto refuse = [&](std::int64_t index, const char* what) {
    throw KeyError("evaluation.readouts", fmt::format("evaluation.readouts asks for figure and ground, but {}{}. Give each image a mask with images.masks, or leave "
                                                      "these read-outs out.", source.name(index), what));
  };
  for (const auto* set : {&sets.familiar, &sets.novel, &sets.reference})
    for (const auto index : *set) {
      const auto mask = source.mask(index);
      if (!mask) refuse(index, " has no mask");
      const auto seen = square(*mask, static_cast<int>(encoder.side));
      const auto figure = std::ranges::count_if(seen.figure, [](auto pixel) { return pixel != 0; });
      if (figure == 0) refuse(index, " has no figure in the middle square that is shown");
      if (figure == std::ssize(seen.figure)) refuse(index, " has no ground in the middle square that is shown");
    }
}

// Blocks, heads and a rank that it does not have.
void refuse_what_the_encoder_lacks(const FamiliarityConfig& config, const SlowWeights& slow) {
  const std::string& weights = config.start_file.empty() ? config.slow_weights : config.start_file;
  layers_of(config.layers, slow.config.depth);
  if (!config.test_layers_off.empty()) layers_of(config.test_layers_off, slow.config.depth, "test.layers_off");
  for (const auto& [layer, head] : config.test_heads_off)
    if (layer >= slow.config.depth || head >= slow.config.heads)
      throw KeyError("test.heads_off", fmt::format("test.heads_off: there is no head {} of block {}; {} has blocks 0 to {} of heads 0 to {}. Name some of these.", head,
                                                   layer, weights, slow.config.depth - 1, slow.config.heads - 1));
  if (config.form.qkv == Qkv::kAdapter && config.rank > slow.config.width)
    throw KeyError("fast.rank", fmt::format("fast.rank = {} is above the width {} of {}: such an update is not low-rank. Lower it, or set fast.qkv = \"full\".", config.rank,
                                            slow.config.width, weights));
}

// Some patches must be hidden and some seen, by a decoder that can tell the ones from the others.
void refuse_impossible_loss(const FamiliarityConfig& config, const SlowWeights& slow, const DecoderConfig& decoder) {
  const auto& loss = config.loss;
  if (loss.features > 0) layers_of(loss.feature_layers, slow.config.depth, "loss.feature_layers");
  if (loss.masked <= 0) return;
  const auto patches = slow.config.patches();
  const auto hidden = std::llround(loss.mask * static_cast<double>(patches));
  if (hidden < 1 || hidden >= patches)
    throw KeyError("loss.mask", fmt::format("loss.mask = {} hides {} of the {} patches of an image, but some must be hidden and some seen. Write a share from {:.2g} to {:.2g}.",
                                            loss.mask, hidden, patches, 1.0 / static_cast<double>(patches), 1 - 1.0 / static_cast<double>(patches)));
  if (decoder.linear)
    throw KeyError("loss.masked", fmt::format("loss.masked = {}: a linear decoder gives each patch from its own token alone, so it cannot tell what is hidden. Set "
                                              "decoder.kind = \"transformer\", or loss.masked = 0.", loss.masked));
}

// What a start file must hold for these settings.
void refuse_incomplete_start(const FamiliarityConfig& config) {
  const SafetensorsFile file(config.start_file);
  if (config.centre_on_reference && !file.tensors().contains("reference"))
    throw InputError(
        fmt::format("{}: has no tensor reference, [n, 3, S, S] images on whose mean response alignment.centred is "
                    "centred. Add it, or set alignment.centre = \"set\".",
                    config.start_file));
  if (config.loss.masked > 0 && !file.tensors().contains("decoder.mask_token"))
    throw KeyError("loss.masked", fmt::format("loss.masked = {}, but {} has no tensor decoder.mask_token. Add it, [decoder.width], or set loss.masked = 0.",
                                              config.loss.masked, config.start_file));
  if (config.reads_figures())
    throw KeyError("evaluation.readouts", fmt::format("evaluation.readouts asks for figure and ground, but {} has no masks. Leave these read-outs out.", config.start_file));
}

}  // namespace

Inputs inspect_familiarity(const Settings& settings, std::int64_t image_set, std::int64_t image_sets) {
  const auto config = parse_familiarity(settings);
  Inputs inputs;
  if (!config.start_file.empty()) refuse_incomplete_start(config);
  const auto slow = shared_slow_weights(config);
  refuse_what_the_encoder_lacks(config, *slow);
  refuse_impossible_loss(config, *slow, familiarity_decoder(settings, *slow));
  if (!config.start_file.empty()) {
    inputs.hashes["start.file"] = file_hash(config.start_file);
    return inputs;
  }
  const auto source = shared_images(settings);
  const auto sets = choose_images(*source, settings, image_set, image_sets);
  refuse_small(*source, sets, config, slow->config);
  if (config.reads_figures()) refuse_without_figure(*source, sets, slow->config);
  inputs.hashes["slow.weights"] = slow->metadata.at("content");
  inputs.hashes["images.familiar"] = hash_of(*source, sets.familiar);
  inputs.hashes["images.novel"] = hash_of(*source, sets.novel);
  inputs.hashes["images.reference"] = hash_of(*source, sets.reference);
  return inputs;
}

}  // namespace palimpsest
