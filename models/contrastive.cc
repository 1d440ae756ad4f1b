// Contrastive pretraining (Oord et al. 2018, Chen et al. 2020; the loss of Radford et al. 2021 with a second view in
// place of the caption): an image is to be told from all others of the batch by another crop of it. It trains the class
// token.
//
// B images of this part, N of the batch, C encoder width, D = 128. R = 1 throughout.

#include <ATen/ATen.h>

#include <cmath>

#include "models/colour.h"
#include "models/contrast_loss.h"
#include "models/image_streams.h"
#include "models/initial.h"
#include "models/model_settings.h"
#include "models/objective.h"
#include "models/unit_rows.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kProjected = 128;
constexpr double kFirstTemperature = 0.07, kLargestScale = 100;  // the scale is 1 / temperature

constexpr const char* kChance = "chance";
constexpr const char* kPixels = "cosine of the pixels";

SlowWeights fresh_encoder_and_head(const Settings& settings, const RandomStream& stream) {
  SlowWeights weights;
  weights.config = encoder_config(settings);
  weights.encoder = initial_vit(weights.config, stream.child(purpose("encoder")));
  Initial head(stream.child(purpose("head")));
  head.linear("in", weights.config.width, weights.config.width);
  head.linear("out", kProjected, weights.config.width);
  head.constant("log_scale", {1}, std::log(1 / kFirstTemperature));
  weights.head = head.take();
  return weights;
}

class Contrastive : public Objective {
 public:
  Contrastive(const Settings& settings, const RandomStream& initial)
      : Objective(fresh_encoder_and_head(settings, initial)), encoder_(weights_.config, weights_.encoder) {}

  bool compares_images() const override { return true; }

  at::Tensor loss(const Batch& batch) const override {
    const auto mine = vectors(views(batch)), all = batch.gather ? batch.gather(mine) : mine;
    return contrast_loss(mine, all, batch.gather ? batch.first : 0, scale(), batch.global_size);
  }

  // How many images lose their colour or are blurred differs from batch to batch; views are of one shape.
  Drawn draw(const Batch& batch) const override {
    const auto both = views(batch);
    return {.views = both.first, .second = both.second};
  }

  std::map<std::string, double> baselines(const Batch& batch) const override {
    const auto both = views(batch);
    const auto flat = [](const at::Tensor& images) {
      const auto pixels = images.flatten(1);
      return unit_rows(pixels - pixels.mean(1, true));
    };
    const auto mine = at::cat({flat(both.first), flat(both.second)}, 1);
    const auto B = static_cast<double>(batch.images.size(0)), share = B / static_cast<double>(batch.global_size);
    return {{kChance, share * std::log(B)},
            {kPixels,
             contrast_loss(mine, mine, 0, at::full({1}, 1 / kFirstTemperature, mine.options()), batch.global_size).item<double>()}};
  }

  /// First views, second views, and the second view that each first one is taken to belong to.
  std::vector<at::Tensor> pictures(const Batch& batch) const override {
    const auto both = views(batch);
    const auto mine = vectors(both);
    const auto found = mine.slice(1, 0, kProjected).matmul(mine.slice(1, kProjected).t()).argmax(1);
    return {both.first, both.second, both.second.index_select(0, found)};
  }

  double flops_per_image() const override {
    const auto tokens = static_cast<double>(weights_.config.patches() + 1);
    return 2 * training_flops(weights_.encoder, tokens, weights_.config.depth, weights_.config.width) +
           2 * training_flops(weights_.head, 1, 0, 0);
  }

 private:
  using Views = std::pair<at::Tensor, at::Tensor>;  // [B, 3, S, S] each

  static Views views(const Batch& batch) {
    if (batch.drawn) return {batch.drawn->views, batch.drawn->second};
    return {change_colours(batch.images, children(batch.streams, "colours")),
            change_colours(batch.second, children(batch.streams, "second colours"))};
  }

  // [B, 2 D]
  at::Tensor vectors(const Views& both) const {
    auto tokens = encoder_.embed(at::cat({both.first, both.second}).unsqueeze(0));  // [1, 2 B, T, C]
    for (std::int64_t layer = 0; layer < weights_.config.depth; ++layer) tokens = encoder_.block(layer, tokens);
    const auto hidden =
        at::gelu(at::linear(encoder_.final_norm(tokens)[0].select(1, 0), head("in.weight"), head("in.bias")));
    const auto rows = unit_rows(at::linear(hidden, head("out.weight"), head("out.bias")).to(at::kFloat));  // [2 B, D]
    const auto B = both.first.size(0);
    return at::cat({rows.slice(0, 0, B), rows.slice(0, B)}, 1);
  }

  const at::Tensor& head(const std::string& name) const { return weights_.head.at(name).value; }

  at::Tensor scale() const { return bounded_above(head("log_scale"), std::log(kLargestScale)).exp(); }

  VitEncoder encoder_;
};

KeyTable keys() { return {}; }

}  // namespace

extern const ObjectiveInfo kContrastive;
const ObjectiveInfo kContrastive = {
    .name = "contrastive",
    .meaning =
        "tells an image from all others of the batch, over all ranks, by another crop of it in other colours: "
        "cross-entropy. It trains the class token",
    .keys = keys,
    .build = [](const Settings& settings, const RandomStream& initial) -> std::unique_ptr<Objective> {
      if (settings.integer("training.batch") < 2)
        throw InputError(
            "training.batch = 1 leaves no other image to tell one from. Write 2 or more; contrastive training wants "
            "hundreds.");
      return std::make_unique<Contrastive>(settings, initial);
    }};

}  // namespace palimpsest
