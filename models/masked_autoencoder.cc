// The masked autoencoder (He et al. 2021): the encoder sees a quarter of the patches, the decoder is asked for the others.
//
// B images, N patches, K kept, M masked, P pixels of a patch, C encoder width, D decoder width. R = 1 throughout.

#include <ATen/ATen.h>

#include <cmath>

#include <fmt/format.h>

#include "models/image_streams.h"
#include "models/model_settings.h"
#include "models/objective.h"
#include "models/patch_mask.h"
#include "models/patch_scale.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

// Some patches must be hidden and some seen.
double hidden_share(const Settings& settings, std::int64_t patches) {
  const double share = settings.number("objective.mask"), all = static_cast<double>(patches);
  const auto hidden = std::llround(share * all);
  if (hidden > 0 && hidden < patches) return share;
  throw InputError(fmt::format("objective.mask = {} hides {} of the {} patches of an image, but some must be hidden and some seen. "
                               "Write a share from {:.2g} to {:.2g}, such as 0.75{}.",
                               share, hidden, patches, 1 / all, 1 - 1 / all, patches < 2 ? ", and a smaller model.patch" : ""));
}

class MaskedAutoencoder : public Objective {
 public:
  MaskedAutoencoder(const Settings& settings, const RandomStream& initial)
      : Objective(fresh_weights(settings, initial, /*mask_token=*/true)),
        encoder_(weights_.config, weights_.encoder),
        decoder_(*weights_.decoder_config, weights_.decoder),
        share_(hidden_share(settings, weights_.config.patches())),
        normalise_(settings.flag("objective.normalise_target")) {}

  at::Tensor loss(const Batch& batch) const override {
    const auto mask = mask_of(batch);
    return masked_error(predict(batch, mask), batch, mask);
  }

  Drawn draw(const Batch& batch) const override {
    const auto mask = mask_of(batch);
    const auto there = [&](const at::Tensor& numbers) { return numbers.to(batch.images.device()); };
    return {.mask = {there(mask.kept), there(mask.masked), there(mask.place)}, .dropout = decoder_.draw_dropout(dropout_streams(batch), 1, batch.images.size(0))};
  }

  std::map<std::string, double> baselines(const Batch& batch) const override {
    const auto mask = mask_of(batch);
    const auto patches = pixels(batch);                                                        // [1, B, N, 3 P]
    const auto colours = patches[0].view({patches.size(1), patches.size(2), -1, 3});           // [B, N, P, 3]
    const auto everywhere = [&](const at::Tensor& colour) { return colour.expand_as(colours).reshape(patches.sizes()); };
    const auto error = [&](const at::Tensor& guess) { return masked_error(in_target_space(guess), batch, mask).item<double>(); };
    return {{kMeanColour, error(everywhere(colours.mean({1, 2}, /*keepdim=*/true)))},
            {kNeighbours, error(everywhere(nearest_visible_colour(colours, mask).unsqueeze(2)))}};
  }

  std::vector<at::Tensor> pictures(const Batch& batch) const override {
    const auto mask = mask_of(batch);
    const auto patches = pixels(batch);
    auto guess = predict(batch, mask);
    if (normalise_) guess = PatchScale(patches).restored(guess);
    const auto hidden = at::zeros(patches.sizes().slice(1, 2), patches.options().dtype(at::kBool)).scatter(1, mask.masked.to(patches.device()), true).view({1, patches.size(1), -1, 1});
    const auto image = [&](const at::Tensor& p) { return unpatchify(p, weights_.config.patch)[0]; };
    return {batch.images, image(at::where(hidden, at::full_like(patches, 0.5), patches)), image(at::where(hidden, guess, patches))};
  }

  double flops_per_image() const override {
    const auto& config = weights_.config;
    const auto patches = static_cast<double>(config.patches()), kept = static_cast<double>(draw_patch_mask({RandomStream(0)}, config.patches(), share_).kept.size(1));
    return training_flops(weights_.encoder, kept + 1, config.depth, config.width) +
           training_flops(weights_.decoder, patches, weights_.decoder_config->depth, weights_.decoder_config->width);
  }

 private:
  PatchMask mask_of(const Batch& batch) const {
    return batch.drawn ? batch.drawn->mask : draw_patch_mask(children(batch.streams, "mask"), weights_.config.patches(), share_);
  }

  at::Tensor pixels(const Batch& batch) const { return pixel_patches(batch.images.unsqueeze(0), weights_.config.patch); }

  at::Tensor in_target_space(const at::Tensor& patches) const { return normalise_ ? PatchScale(patches).normalised(patches) : patches; }

  // [1, B, N, 3 P] in the target's space.
  at::Tensor predict(const Batch& batch, const PatchMask& mask) const {
    const auto B = batch.images.size(0);
    const auto class_and_kept = at::cat({at::zeros({B, 1}, mask.kept.options()), mask.kept + 1}, 1);
    auto tokens = choose_tokens(encoder_.embed(batch.images.unsqueeze(0)), class_and_kept);    // [1, B, 1 + K, C]
    for (std::int64_t layer = 0; layer < weights_.config.depth; ++layer) tokens = encoder_.block(layer, tokens);
    const auto seen = decoder_.embed(tokens.slice(2, 1));                                       // [1, B, K, D]
    const auto unseen = decoder_.mask_token().value.view({1, 1, 1, -1}).expand({1, B, mask.masked.size(1), -1});
    const auto all = choose_tokens(at::cat({seen, unseen}, 2), mask.place);                     // [1, B, N, D], each where it belongs
    const auto guess = decoder_.pixels(batch.drawn ? decoder_.decode(all, batch.drawn->dropout) : decoder_.decode(all, dropout_streams(batch)));
    return normalise_ ? guess : guess.sigmoid();
  }

  at::Tensor masked_error(const at::Tensor& guess, const Batch& batch, const PatchMask& mask) const {
    const auto error = (guess - in_target_space(pixels(batch))).square().mean(-1, true);        // [1, B, N, 1]
    return choose_tokens(error, mask.masked).mean({0, 2, 3}).sum() / static_cast<double>(batch.global_size);
  }

  VitEncoder encoder_;
  Decoder decoder_;
  double share_;
  bool normalise_;
};

KeyTable keys() {
  return {{.name = "objective.mask", .type = KeyType::kNumber, .default_value = 0.75,
           .meaning = "masked-autoencoder: share of the patches that is hidden, not none and not all; the encoder's cost falls with it", .minimum = 0, .maximum = 1},
          {.name = "objective.normalise_target", .type = KeyType::kBool, .default_value = false,
           .meaning = "masked-autoencoder: the target is each patch by its own mean and standard deviation, instead of pixels in [0, 1]"}};
}

}  // namespace

extern const ObjectiveInfo kMaskedAutoencoder;
const ObjectiveInfo kMaskedAutoencoder = {
    .name = "masked-autoencoder",
    .meaning = "reconstructs hidden patches from the visible ones (He et al. 2021): mean squared error over the hidden ones",
    .keys = keys,
    .build = [](const Settings& settings, const RandomStream& initial) -> std::unique_ptr<Objective> {
      return std::make_unique<MaskedAutoencoder>(settings, initial);
    }};

}  // namespace palimpsest
