#include <algorithm>

#include <fmt/format.h>

#include "runtime/key_error.h"
#include "sweeps/familiarity.h"

namespace palimpsest {
namespace {

void refuse_sizes(const Settings& settings, const char* why) {
  for (const char* key : {"decoder.width", "decoder.depth", "decoder.heads"})
    if (settings.integer(key) != 0) throw KeyError(key, fmt::format("{} = {}: {}. Leave it out.", key, settings.integer(key), why));
}

// As they were pretrained with.
DecoderConfig decoder_of_slow_weights(const Settings& settings, const SlowWeights& slow) {
  if (!slow.decoder_config)
    throw KeyError("decoder.initial", fmt::format("decoder.initial = \"slow\": {} has no decoder. `palimpsest pretrain` leaves one where it reconstructs images; else set "
                                 "decoder.initial = \"fresh\".",
                                 settings.string("slow.weights")));
  refuse_sizes(settings, "with decoder.initial = \"slow\" the decoder is the slow weights' own");
  auto decoder = *slow.decoder_config;
  decoder.dropout = settings.number("decoder.dropout");
  if (settings.string("decoder.kind") == "linear" && !decoder.linear)
    throw KeyError("decoder.kind", "decoder.kind = \"linear\", but with decoder.initial = \"slow\" the decoder is the slow weights' own, a transformer. Leave one of the two out.");
  return decoder;
}

DecoderConfig linear_decoder(const Settings& settings, const VitConfig& encoder) {
  refuse_sizes(settings, "with decoder.kind = \"linear\" the decoder is one map from the encoder's width to the pixels of a patch");
  return {.input_width = encoder.width, .width = encoder.width, .depth = 0, .heads = 1, .patch = encoder.patch, .side = encoder.side, .linear = true};
}

}  // namespace

// By the sizes of pretraining, else half the encoder's depth at its own width.
DecoderConfig familiarity_decoder(const Settings& settings, const SlowWeights& slow) {
  const auto& encoder = slow.config;
  if (settings.string("decoder.initial") == "slow") return decoder_of_slow_weights(settings, slow);
  if (settings.string("decoder.kind") == "linear") return linear_decoder(settings, encoder);
  DecoderConfig decoder{.input_width = encoder.width,
                        .width = encoder.width,
                        .depth = std::max<std::int64_t>(1, encoder.depth / 2),
                        .heads = encoder.heads};
  for (const char* size : {"micro", "tiny", "small", "base"})
    if (vit_size(size).width == encoder.width) decoder = decoder_size(size);
  decoder.patch = encoder.patch;
  decoder.side = encoder.side;
  decoder.dropout = settings.number("decoder.dropout");
  if (const auto width = settings.integer("decoder.width")) decoder.width = width;
  if (const auto depth = settings.integer("decoder.depth")) decoder.depth = depth;
  if (const auto heads = settings.integer("decoder.heads")) decoder.heads = heads;
  if (decoder.width % decoder.heads != 0)
    throw KeyError("decoder.heads", fmt::format("decoder.width = {} cannot be divided among decoder.heads = {}. Write a number of heads that divides it.", decoder.width,
                                                decoder.heads));
  return decoder;
}

}  // namespace palimpsest
