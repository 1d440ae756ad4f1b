#include "models/evaluate_weights.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "models/linear_probe.h"
#include "models/patch_mask.h"
#include "runtime/error.h"
#include "runtime/host_memory.h"
#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kImagesPerPass = 16;
constexpr double kHidden = 0.75;  // of the patches, where the decoder was trained to fill them in
constexpr const char* kPixels = "pixels";
constexpr std::int64_t kCoarse =
    32;  // raw pixels are compared at this side at most: a probe of more would need gigabytes

at::Tensor squares(const LabelledImages& images, std::int64_t first, std::int64_t end, std::int64_t side) {
  std::vector<Image> batch;
  for (std::int64_t i = first; i < end; ++i) batch.push_back(images.square(i, static_cast<int>(side)));
  return to_tensor(batch);
}

at::Tensor coarse(const at::Tensor& images) {
  return images.size(-1) > kCoarse ? at::adaptive_avg_pool2d(images, {kCoarse, kCoarse}) : images;
}

// Features of all images by (layer, readout), in the order of the network.
struct Features {
  std::vector<std::pair<std::string, std::string>> names;
  std::vector<std::vector<at::Tensor>> parts;  // [B, C] of each pass

  void add(std::size_t place, const std::string& layer, const std::string& readout, const at::Tensor& value) {
    if (place == names.size()) {
      names.emplace_back(layer, readout);
      parts.emplace_back();
    }
    parts[place].push_back(value.clone());
  }
};

class Reading {
 public:
  Reading(const AdaptedWeights& weights, const EvaluateOptions& options)
      : encoder_(adapted_encoder(weights)), options_(options) {}

  void see(const at::Tensor& images, Features& features) const {
    place_ = 0;
    features.add(place_++, kPixels, "all", coarse(images).flatten(1));
    auto x = encoder_.embed(images.unsqueeze(0));
    read(x, "embedding", features);
    for (std::int64_t layer = 0; layer < encoder_.config().depth; ++layer)
      read(x = encoder_.block(layer, x), fmt::format("block.{}", layer), features);
    if (encoder_.config().final_norm) read(encoder_.final_norm(x), "norm", features);
  }

 private:
  void read(const at::Tensor& x, const std::string& layer, Features& features) const {
    const std::int64_t first_patch = encoder_.config().class_token ? 1 : 0;
    for (const auto& readout : options_.readouts)
      features.add(place_++, layer, readout, readout == "cls" ? x[0].select(1, 0) : x[0].slice(1, first_patch).mean(1));
  }

  VitEncoder encoder_;
  const EvaluateOptions& options_;
  mutable std::size_t place_ = 0;
};

Features features_of(const AdaptedWeights& weights, const LabelledImages& images, const EvaluateOptions& options) {
  const Reading reading(weights, options);
  Features features;
  for (std::int64_t first = 0; first < images.count(); first += kImagesPerPass) {
    const auto end = std::min(first + kImagesPerPass, images.count());
    reading.see(squares(images, first, end, weights.slow.config.side), features);
    if (options.progress) options.progress("evaluate", "images", end, images.count());
  }
  return features;
}

at::Tensor numbers_where(const std::vector<bool>& held_out, bool which) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < held_out.size(); ++i)
    if (held_out[i] == which) out.push_back(static_cast<std::int64_t>(i));
  return at::tensor(out, at::kLong);
}

ReadoutAccuracy accuracy_of(const at::Tensor& features, const at::Tensor& labels, std::int64_t classes,
                            const std::vector<std::vector<bool>>& folds, const EvaluateOptions& options) {
  ReadoutAccuracy out;
  std::int64_t near = 0, probed = 0, n = 0;
  for (const auto& fold : folds) {
    const auto train = numbers_where(fold, false), test = numbers_where(fold, true);
    const auto x = features.index_select(0, train), y = labels.index_select(0, train);
    const auto asked = features.index_select(0, test), truth = labels.index_select(0, test);
    const auto right = [&](const at::Tensor& said) { return said.eq(truth).sum().item<std::int64_t>(); };
    near += right(nearest_neighbours(x, y, asked, options.neighbours, classes));
    const auto probe = fit_linear_probe(x, y, classes, options.penalty);
    probed += right(probe.classes_of(asked));
    out.converged = out.converged && probe.converged;
    n += truth.size(0);
  }
  out.neighbours = wilson(near, n);
  out.probe = wilson(probed, n);
  return out;
}

Share chance_of(const at::Tensor& labels, std::int64_t classes, const std::vector<std::vector<bool>>& folds) {
  std::int64_t right = 0, n = 0;
  for (const auto& fold : folds) {
    const auto commonest =
        at::bincount(labels.index_select(0, numbers_where(fold, false)), {}, classes).argmax().item<std::int64_t>();
    const auto truth = labels.index_select(0, numbers_where(fold, true));
    right += truth.eq(commonest).sum().item<std::int64_t>();
    n += truth.size(0);
  }
  return wilson(right, n);
}

void check_readouts(const VitConfig& config, const EvaluateOptions& options) {
  for (const auto& readout : options.readouts) {
    if (readout != "cls" && readout != "mean")
      throw InputError(fmt::format(
          "--readout {}: is no read-out. There are cls (the class token) and mean (of the patch tokens).", readout));
    if (readout == "cls" && !config.class_token)
      throw InputError("--readout cls: these weights have no class token. Give --readout mean.");
  }
}

// Squared errors of each image: the decoder's and that of the mean colour.
class Reconstruction {
 public:
  explicit Reconstruction(const SlowWeights& slow)
      : slow_(slow),
        encoder_(slow.config, slow.encoder),
        decoder_(*slow.decoder_config, slow.decoder),
        masks_(slow.decoder.contains("mask_token")) {}

  bool hides() const { return masks_; }

  void see(const at::Tensor& images, std::int64_t first, std::vector<double>& decoder,
           std::vector<double>& colour) const {
    const auto truth = pixel_patches(images.unsqueeze(0), slow_.config.patch);
    const auto mean = images.mean({2, 3}, true).expand_as(images);
    const auto mask = mask_of(first, images.size(0));
    add(guess(images, mask), truth, mask, decoder);
    add(pixel_patches(mean.unsqueeze(0), slow_.config.patch), truth, mask, colour);
  }

 private:
  PatchMask mask_of(std::int64_t first, std::int64_t count) const {
    std::vector<RandomStream> streams;
    for (std::int64_t i = 0; i < count; ++i)
      streams.push_back(RandomStream(purpose("evaluation masks")).child(static_cast<std::uint64_t>(first + i)));
    return draw_patch_mask(streams, slow_.config.patches(), kHidden);
  }

  // [1, B, N, 3 p p] in [0, 1].
  at::Tensor guess(const at::Tensor& images, const PatchMask& mask) const {
    const std::int64_t B = images.size(0), first = slow_.config.class_token ? 1 : 0;
    auto tokens = encoder_.embed(images.unsqueeze(0));
    if (masks_) {
      auto seen = mask.kept + first;
      if (first == 1) seen = at::cat({at::zeros({B, 1}, at::kLong), seen}, 1);
      tokens = choose_tokens(tokens, seen);
    }
    for (std::int64_t layer = 0; layer < slow_.config.depth; ++layer) tokens = encoder_.block(layer, tokens);
    if (decoder_.config().linear) return decoder_.forward(tokens.slice(2, first)).sigmoid();
    auto embedded = decoder_.embed(tokens.slice(2, first));
    if (masks_) {
      const auto unseen = decoder_.mask_token().value.view({1, 1, 1, -1}).expand({1, B, mask.masked.size(1), -1});
      embedded = choose_tokens(at::cat({embedded, unseen}, 2), mask.place);
    }
    return decoder_.pixels(decoder_.decode(embedded)).sigmoid();
  }

  void add(const at::Tensor& guessed, const at::Tensor& truth, const PatchMask& mask, std::vector<double>& out) const {
    auto error = (guessed - truth).square().mean(-1, true);
    if (masks_) error = choose_tokens(error, mask.masked);
    const auto by_image = error.mean({0, 2, 3}).to(at::kDouble).contiguous();
    out.insert(out.end(), by_image.data_ptr<double>(), by_image.data_ptr<double>() + by_image.numel());
  }

  const SlowWeights& slow_;
  VitEncoder encoder_;
  Decoder decoder_;
  bool masks_;
};

std::string why_no_reconstruction(const AdaptedWeights& weights) {
  if (!weights.slow.decoder_config) return "the weights have no decoder";
  if (!weights.adapters.empty()) return "the decoder was not trained with these adapters";
  const auto definition = weights.slow.metadata.find("definition");
  if (weights.slow.metadata.contains("normalised_pixels") ||
      (definition != weights.slow.metadata.end() &&
       definition->second.find("objective.normalise_target = true") != std::string::npos))
    return "the decoder was trained to give each patch by its own mean and deviation, not pixels";
  return {};
}

ReconstructionError reconstruction_error(const SlowWeights& slow, const LabelledImages& images,
                                         const at::Tensor& held_out) {
  const Reconstruction reconstruction(slow);
  std::vector<double> decoder, colour;
  const auto* numbers = held_out.data_ptr<std::int64_t>();
  for (std::int64_t first = 0; first < held_out.numel(); first += kImagesPerPass) {
    std::vector<at::Tensor> batch;
    for (std::int64_t i = first; i < std::min(first + kImagesPerPass, held_out.numel()); ++i)
      batch.push_back(squares(images, numbers[i], numbers[i] + 1, slow.config.side));
    reconstruction.see(at::cat(batch), first, decoder, colour);
  }
  return {reconstruction.hides() ? "hidden patches" : "whole image", bootstrap_mean(decoder), bootstrap_mean(colour)};
}

}  // namespace

std::vector<std::vector<bool>> draw_folds(const LabelledImages& images, std::int64_t folds, std::uint64_t seed) {
  std::vector<std::vector<bool>> out(static_cast<std::size_t>(folds), std::vector<bool>(images.labels.size(), false));
  for (std::size_t label = 0; label < images.classes.size(); ++label) {
    std::vector<std::int64_t> members;
    for (std::int64_t i = 0; i < images.count(); ++i)
      if (images.labels[i] == static_cast<std::int64_t>(label)) members.push_back(i);
    const auto n = std::ssize(members);
    if (n < folds)
      throw InputError(
          fmt::format("the class {} has {} images, fewer than the {} folds in which each image is held out once. Give "
                      "it more images, or --folds {}.",
                      images.classes[label], n, folds, std::max<std::int64_t>(2, n)));
    const auto order = RandomStream(seed).child(purpose("folds")).child(label).permutation(n);
    for (std::int64_t i = 0; i < n; ++i) out[i % folds][members[order[i]]] = true;
  }
  return out;
}

Evaluation evaluate_weights(const AdaptedWeights& weights, const LabelledImages& images,
                            const EvaluateOptions& options) {
  const c10::InferenceMode no_gradient;
  keep_freed_memory();
  check_readouts(weights.slow.config, options);
  const auto folds = images.held_out.empty() ? draw_folds(images, options.folds, options.seed)
                                             : std::vector<std::vector<bool>>{images.held_out};
  const auto features = features_of(weights, images, options);
  const auto labels = at::tensor(images.labels, at::kLong);
  Evaluation out;
  out.classes = std::ssize(images.classes);
  out.images = images.count();
  for (const auto& fold : folds) out.held_out += std::ranges::count(fold, true);
  out.chance = chance_of(labels, out.classes, folds);
  for (std::size_t i = 0; i < features.names.size(); ++i) {
    auto accuracy = accuracy_of(at::cat(features.parts[i]), labels, out.classes, folds, options);
    std::tie(accuracy.layer, accuracy.readout) = features.names[i];
    out.accuracies.push_back(accuracy);
    if (options.progress)
      options.progress("probe", "read-outs", static_cast<std::int64_t>(i) + 1, std::ssize(features.names));
  }
  out.no_reconstruction = why_no_reconstruction(weights);
  if (out.no_reconstruction.empty())
    out.reconstruction = reconstruction_error(
        weights.slow, images,
        images.held_out.empty() ? at::arange(images.count()) : numbers_where(images.held_out, true));
  return out;
}

}  // namespace palimpsest
