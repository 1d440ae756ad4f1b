#include "sweeps/familiarity_start.h"

#include <map>
#include <mutex>
#include <tuple>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/adapted_weights.h"
#include "runtime/durable_file.h"
#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

at::Tensor stacked(const Variants& variants) {
  std::vector<at::Tensor> out;
  for (const auto& images : variants.images) out.push_back(to_tensor(images));
  return at::stack(out);
}

std::vector<FigureOverlap> figures(const ImageSource& source, const std::vector<std::int64_t>& chosen, int side) {
  std::vector<FigureOverlap> out;
  for (const auto index : chosen) {
    const auto mask = source.mask(index);
    if (!mask) return {};  // the measurement is of whole sets: absent where one image has no mask
    out.emplace_back(square(*mask, side),
                     RandomStream(purpose("figure shifts")).child(static_cast<std::uint64_t>(index)));
  }
  return out;
}

// [n, K] share of the pixels of each patch that are in the mask.
at::Tensor figure_shares(const ImageSource& source, const std::vector<std::int64_t>& chosen, const VitConfig& encoder) {
  const auto S = encoder.side, g = encoder.grid(), p = encoder.patch;
  std::vector<at::Tensor> all;
  for (const auto index : chosen) {
    auto mask = square(*source.mask(index), static_cast<int>(S));
    const auto pixels = at::from_blob(mask.figure.data(), {g, p, g, p}, at::kByte).ne(0).to(at::kFloat);
    all.push_back(pixels.permute({0, 2, 1, 3}).reshape({g * g, p * p}).mean(-1));
  }
  return at::stack(all);
}

// [levels, P, I, 3, S, S], level 0 the clean images P times -> [V, I, 3, S, S].
at::Tensor as_variants(const at::Tensor& noisy, const FamiliarityConfig& config, std::int64_t side,
                       const std::string& name) {
  const std::vector<std::int64_t> asked = {
      std::ssize(config.noise.levels), config.noise.patterns, config.count, 3, side, side};
  if (noisy.sizes() != at::IntArrayRef(asked))
    throw InputError(
        fmt::format("{}: {} is [{}], but noise.levels, noise.patterns, images.count and the encoder ask for [{}]",
                    config.start_file, name, fmt::join(noisy.sizes(), ", "), fmt::join(asked, ", ")));
  return at::cat({noisy[0].slice(0, 0, 1), noisy.slice(0, 1).flatten(0, 1)});
}

at::Tensor as_reference(const at::Tensor& images, const FamiliarityConfig& config, std::int64_t side) {
  if (images.dim() != 4 || images.sizes().slice(1) != at::IntArrayRef({3, side, side}))
    throw InputError(fmt::format("{}: reference is [{}], but the encoder asks for [n, 3, {}, {}]", config.start_file,
                                 fmt::join(images.sizes(), ", "), side, side));
  return images;
}

Activation activation_of(const std::string& word) {
  if (word == "quick_gelu") return Activation::kQuickGelu;
  if (word == "gelu") return Activation::kGelu;
  return word == "gelu_tanh" ? Activation::kGeluTanh : Activation::kRelu;
}

const at::Tensor& in_file(const TensorMap& tensors, const std::string& name, const std::string& file) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw InputError(fmt::format("{}: has no tensor {}", file, name));
  return found->second;
}

}  // namespace

std::shared_ptr<const SlowWeights> shared_slow_weights(const FamiliarityConfig& config) {
  static std::mutex mutex;
  static std::map<std::tuple<std::string, std::int64_t, std::string>, std::shared_ptr<const SlowWeights>> read;
  const auto& file = config.start_file.empty() ? config.slow_weights : config.start_file;
  const std::lock_guard lock(mutex);
  auto& slow = read[{file, config.slow_heads, config.activation}];
  if (slow) return slow;
  auto fresh = config.start_file.empty()
                   ? read_slow_weights(file, config.slow_heads)
                   : slow_weights_of(encoder_part(read_tensors(file)), {}, file, config.slow_heads);
  fresh.metadata["content"] = file_hash(file);
  if (!config.activation.empty()) fresh.config.activation = activation_of(config.activation);
  return slow = std::make_shared<const SlowWeights>(std::move(fresh));
}

FamiliarityStart start_of(const RunSpec& run, const FamiliarityConfig& config) {
  FamiliarityStart start;
  start.slow = shared_slow_weights(config);
  if (!config.start_file.empty()) {
    const auto tensors = read_tensors(config.start_file);
    const auto variants = [&](const std::string& name) {
      return as_variants(in_file(tensors, name, config.start_file), config, start.slow->config.side, name);
    };
    start.familiar = variants("noisy.familiar");
    start.novel = variants("noisy.novel");
    if (const auto found = tensors.find("reference"); found != tensors.end())
      start.reference = as_reference(found->second, config, start.slow->config.side);
    return start;
  }
  const auto source = shared_images(run.settings);
  const auto sets = choose_images(*source, run.settings, run.image_set, run.image_sets);
  const auto side = static_cast<int>(start.slow->config.side);
  const auto noise = RandomStream(static_cast<std::uint64_t>(run.seed)).child(purpose("noise"));
  start.familiar = stacked(noisy_variants(*source, sets.familiar, config.noise, side, noise));
  start.novel = stacked(noisy_variants(*source, sets.novel, config.noise, side, noise));
  if (config.reference > 0) {
    auto clean = config.noise;
    clean.levels = {0};
    start.reference = stacked(noisy_variants(*source, sets.reference, clean, side, noise))[0];
  }
  start.figures[0] = figures(*source, sets.familiar, side);
  if (!start.figures[0].empty())
    for (const auto index : sets.familiar) start.masks.push_back(square(*source->mask(index), side));
  start.figures[1] = figures(*source, sets.novel, side);
  if (config.reads_figures()) {
    start.figure[0] = figure_shares(*source, sets.familiar, start.slow->config);
    start.figure[1] = figure_shares(*source, sets.novel, start.slow->config);
    if (config.reference > 0) start.reference_figure = figure_shares(*source, sets.reference, start.slow->config);
  }
  return start;
}

at::Tensor training_images(const RunSpec& run, const FamiliarityConfig& config, int set, const RandomStream& stream) {
  const auto source = shared_images(run.settings);
  const auto sets = choose_images(*source, run.settings, run.image_set, run.image_sets);
  auto noise = config.noise;
  noise.kind = config.training_noise_kind;
  noise.levels = {0, config.training_noise};
  noise.patterns = 1;
  const auto side = static_cast<int>(shared_slow_weights(config)->config.side);
  return stacked(noisy_variants(*source, set == 0 ? sets.familiar : sets.novel, noise, side, stream))[1];
}

void load_start_file(FastNetwork& network, const FamiliarityConfig& config) {
  const at::NoGradGuard no_gradient;
  const auto tensors = read_tensors(config.start_file);
  for (auto& [name, parameter] : network.decoder_weights) {
    const auto& value = in_file(tensors, "decoder." + name, config.start_file);
    if (value.sizes() != parameter.value.sizes().slice(1))
      throw InputError(fmt::format("{}: decoder.{} is [{}], but the definition's decoder needs [{}]", config.start_file,
                                   name, fmt::join(value.sizes(), ", "),
                                   fmt::join(parameter.value.sizes().slice(1), ", ")));
    parameter.value.copy_(value.unsqueeze(0).expand_as(parameter.value));
  }
  for (std::int64_t layer = 0; layer < network.encoder.config().depth; ++layer)
    for (const auto& target : config.form.targets) {
      const auto* adapter = network.encoder.adapter(layer, target);
      if (!adapter) continue;
      const auto& a = in_file(tensors, fast_weight_name(layer, target, 'A'), config.start_file);
      const auto& b = in_file(tensors, fast_weight_name(layer, target, 'B'), config.start_file);
      adapter->a.zero_();
      adapter->b.zero_();
      adapter->a.slice(1, 0, a.size(0)).copy_(a.unsqueeze(0));
      adapter->b.slice(2, 0, b.size(1)).copy_(b.unsqueeze(0));
    }
}

}  // namespace palimpsest
