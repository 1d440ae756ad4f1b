#include "models/features.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <nlohmann/json.hpp>

#include "models/adapted_weights.h"
#include "runtime/safetensors_writer.h"
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

// The file, with room for every image's tensors: no more than one pass over the encoder is in memory.
class FeatureFile {
 public:
  FeatureFile(const ImageSource& images, const VitConfig& config, const FeatureOptions& options)
      : writer_(options.out, rooms(images.count(), config, options.attention), {{"images", names_of(images)}}) {}
  void append(const std::string& name, const at::Tensor& values) {
    const auto flat = values.to(at::kFloat).contiguous();
    writer_.append(name, {static_cast<const std::byte*>(flat.const_data_ptr()), flat.nbytes()});
  }
  void finish() { writer_.finish(); }

 private:
  static std::vector<TensorRoom> rooms(std::int64_t images, const VitConfig& config, bool attention) {
    const auto tokens = config.tokens();
    std::vector<TensorRoom> out;
    const auto add = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
      out.push_back({name, "F32", shape, sizeof(float) * static_cast<std::uint64_t>(c10::multiply_integers(shape))});
    };
    add("embedding", {images, tokens, config.width});
    for (std::int64_t layer = 0; layer < config.depth; ++layer) {
      add("block." + std::to_string(layer), {images, tokens, config.width});
      if (attention) add("attention." + std::to_string(layer), {images, config.heads, tokens, tokens});
    }
    return out;
  }

  static std::string names_of(const ImageSource& images) {
    nlohmann::json names = nlohmann::json::array();
    for (std::int64_t i = 0; i < images.count(); ++i) names.push_back(images.name(i));
    return names.dump();
  }

  SafetensorsWriter writer_;
};

}  // namespace

void write_features(const ImageSource& images, const FeatureOptions& options) {
  const c10::InferenceMode no_gradient;
  const auto encoder = encoder_of(options);
  const auto& config = encoder.config();
  FeatureFile out(images, config, options);
  for (std::int64_t first = 0; first < images.count(); first += kImagesPerPass) {
    std::vector<Image> batch;
    for (std::int64_t i = first; i < std::min(first + kImagesPerPass, images.count()); ++i)
      batch.push_back(square(images.image(i), static_cast<int>(config.side)));
    auto x = encoder.embed(to_tensor(batch).unsqueeze(0));
    out.append("embedding", x[0]);
    for (std::int64_t layer = 0; layer < config.depth; ++layer) {
      at::Tensor probabilities;
      x = encoder.block(layer, x, options.attention ? &probabilities : nullptr);
      out.append("block." + std::to_string(layer), x[0]);
      if (options.attention) out.append("attention." + std::to_string(layer), probabilities[0]);
    }
  }
  out.finish();
}

}  // namespace palimpsest
