// The plain autoencoder: all patches visible, the loss of familiarity training (arXiv 2508.04988).

#include <ATen/ATen.h>

#include "models/image_streams.h"
#include "models/model_settings.h"
#include "models/objective.h"

namespace palimpsest {
namespace {

class Autoencoder : public Objective {
 public:
  Autoencoder(const Settings& settings, const RandomStream& initial)
      : Objective(fresh_weights(settings, initial, /*mask_token=*/false)),
        encoder_(weights_.config, weights_.encoder),
        decoder_(*weights_.decoder_config, weights_.decoder),
        l1_(settings.number("objective.l1")) {}

  at::Tensor loss(const Batch& batch) const override { return error(reconstruct(batch), batch); }

  Drawn draw(const Batch& batch) const override { return {.dropout = decoder_.draw_dropout(dropout_streams(batch), 1, batch.images.size(0))}; }

  std::map<std::string, double> baselines(const Batch& batch) const override {
    return {{kMeanColour, error(batch.images.mean({2, 3}, true).expand_as(batch.images), batch).item<double>()}};
  }

  std::vector<at::Tensor> pictures(const Batch& batch) const override { return {batch.images, reconstruct(batch)}; }

  double flops_per_image() const override {
    const auto& config = weights_.config;
    const auto patches = static_cast<double>(config.patches());
    return training_flops(weights_.encoder, patches + 1, config.depth, config.width) +
           training_flops(weights_.decoder, patches, weights_.decoder_config->depth, weights_.decoder_config->width);
  }

 private:
  at::Tensor reconstruct(const Batch& batch) const {
    auto tokens = encoder_.embed(batch.images.unsqueeze(0));
    for (std::int64_t layer = 0; layer < weights_.config.depth; ++layer) tokens = encoder_.block(layer, tokens);
    const auto patches = tokens.slice(2, 1);
    const auto guess = batch.drawn ? decoder_.forward(patches, batch.drawn->dropout) : decoder_.forward(patches, dropout_streams(batch));
    return unpatchify(guess.sigmoid(), weights_.config.patch)[0];
  }

  at::Tensor error(const at::Tensor& guess, const Batch& batch) const {
    const double share = static_cast<double>(batch.images.size(0)) / static_cast<double>(batch.global_size);
    return pixel_loss(guess.unsqueeze(0), batch.images.unsqueeze(0), l1_)[0] * share;
  }

  VitEncoder encoder_;
  Decoder decoder_;
  double l1_;
};

KeyTable keys() {
  return {{.name = "objective.l1", .type = KeyType::kNumber, .default_value = 0.1,
           .meaning = "autoencoder: weight of the mean absolute error beside the mean squared one", .minimum = 0}};
}

}  // namespace

extern const ObjectiveInfo kAutoencoder;
const ObjectiveInfo kAutoencoder = {
    .name = "autoencoder",
    .meaning = "reconstructs the image from all its patches: mean squared error + l1 x mean absolute error of pixels",
    .keys = keys,
    .build = [](const Settings& settings, const RandomStream& initial) -> std::unique_ptr<Objective> {
      return std::make_unique<Autoencoder>(settings, initial);
    }};

}  // namespace palimpsest
