#include "models/features.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <nlohmann/json.hpp>

#include "models/adapted_weights.h"
#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kImagesPerPass = 8;

std::array<float, 3> mean_of(Normalisation n) {
  if (n == Normalisation::kImageNet) return {0.485f, 0.456f, 0.406f};
  return n == Normalisation::kClip ? kClipMean : std::array<float, 3>{0, 0, 0};
}

std::array<float, 3> sd_of(Normalisation n) {
  if (n == Normalisation::kImageNet) return {0.229f, 0.224f, 0.225f};
  return n == Normalisation::kClip ? kClipSd : std::array<float, 3>{1, 1, 1};
}

VitEncoder encoder_of(const FeatureOptions& options) {
  auto adapted = read_adapted_weights(options.weights, options.heads, options.adapter_scale);
  if (options.normalise) {
    adapted.slow.config.mean = mean_of(*options.normalise);
    adapted.slow.config.sd = sd_of(*options.normalise);
  }
  return adapted_encoder(adapted);
}

}  // namespace

void write_features(const ImageSource& images, const FeatureOptions& options) {
  const c10::InferenceMode no_gradient;
  const auto encoder = encoder_of(options);
  const auto& config = encoder.config();
  std::map<std::string, std::vector<at::Tensor>> parts;
  nlohmann::json names = nlohmann::json::array();
  for (std::int64_t first = 0; first < images.count(); first += kImagesPerPass) {
    std::vector<Image> batch;
    for (std::int64_t i = first; i < std::min(first + kImagesPerPass, images.count()); ++i) {
      batch.push_back(square(images.image(i), static_cast<int>(config.side)));
      names.push_back(images.name(i));
    }
    auto x = encoder.embed(to_tensor(batch).unsqueeze(0));
    parts["embedding"].push_back(x[0]);
    for (std::int64_t layer = 0; layer < config.depth; ++layer) {
      at::Tensor probabilities;
      x = encoder.block(layer, x, options.attention ? &probabilities : nullptr);
      parts["block." + std::to_string(layer)].push_back(x[0]);
      if (options.attention) parts["attention." + std::to_string(layer)].push_back(probabilities[0]);
    }
  }
  TensorMap out;
  for (const auto& [name, tensors] : parts) out[name] = at::cat(tensors);
  write_tensors(options.out, out, {{"images", names.dump()}});
}

}  // namespace palimpsest
