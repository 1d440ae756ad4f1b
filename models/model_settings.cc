#include "models/model_settings.h"

#include <fmt/format.h>

#include "runtime/error.h"

namespace palimpsest {
namespace {

Key override_of(const char* name, const char* meaning, const char* unit) {
  return {.name = name, .type = KeyType::kInteger, .default_value = std::int64_t{0}, .meaning = meaning, .unit = unit, .minimum = 0};
}

void take(std::int64_t& place, const Settings& settings, const char* key) {
  if (const auto value = settings.integer(key); value > 0) place = value;
}

void check_heads(const char* part, std::int64_t width, std::int64_t heads) {
  if (width % heads != 0)
    throw InputError(fmt::format("the {}'s width {} cannot be split into {} heads. Choose a width that is a multiple of the heads.", part, width, heads));
}

}  // namespace

KeyTable model_keys() {
  return {
      {.name = "model.size", .type = KeyType::kString, .default_value = std::string("micro"),
       .meaning = "size of encoder and decoder: micro 64/4/4 (width/depth/heads), tiny 192/12/3, small 384/12/6, base 768/12/12",
       .choices = {"micro", "tiny", "small", "base"}},
      override_of("model.width", "width of the encoder's tokens; 0: as the size has it", "numbers"),
      override_of("model.depth", "blocks of the encoder; 0: as the size has it", "blocks"),
      override_of("model.heads", "attention heads of the encoder; 0: as the size has it", "heads"),
      override_of("model.patch", "side of a patch; 0: as the size has it", "pixels"),
      override_of("model.side", "side of the images the model sees; 0: as the size has it. The cost grows with its fourth power", "pixels"),
      override_of("model.decoder_width", "width of the decoder's tokens; 0: as the size has it", "numbers"),
      override_of("model.decoder_depth", "layers of the decoder; 0: as the size has it", "layers"),
      override_of("model.decoder_heads", "attention heads of the decoder; 0: as the size has it", "heads"),
  };
}

VitConfig encoder_config(const Settings& settings) {
  VitConfig config = vit_size(settings.string("model.size"));
  take(config.width, settings, "model.width");
  take(config.depth, settings, "model.depth");
  take(config.heads, settings, "model.heads");
  take(config.patch, settings, "model.patch");
  take(config.side, settings, "model.side");
  config.mlp_width = 4 * config.width;
  check_heads("encoder", config.width, config.heads);
  if (config.side % config.patch != 0)
    throw InputError(fmt::format("patches of {} pixels do not tile images of {} x {}. Choose model.side as a multiple of model.patch.", config.patch,
                                 config.side, config.side));
  return config;
}

DecoderConfig decoder_config(const Settings& settings) {
  const VitConfig encoder = encoder_config(settings);
  DecoderConfig config = decoder_size(settings.string("model.size"));
  take(config.width, settings, "model.decoder_width");
  take(config.depth, settings, "model.decoder_depth");
  take(config.heads, settings, "model.decoder_heads");
  config.input_width = encoder.width;
  config.patch = encoder.patch;
  config.side = encoder.side;
  config.dropout = settings.number("training.dropout");
  check_heads("decoder", config.width, config.heads);
  return config;
}

SlowWeights fresh_weights(const Settings& settings, const RandomStream& stream, bool mask_token) {
  SlowWeights weights;
  weights.config = encoder_config(settings);
  weights.encoder = initial_vit(weights.config, stream.child(purpose("encoder")));
  weights.decoder_config = decoder_config(settings);
  weights.decoder = initial_decoder(*weights.decoder_config, stream.child(purpose("decoder")), mask_token);
  return weights;
}

}  // namespace palimpsest
