#include "models/fast_weights.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

namespace palimpsest {
namespace {

// The weight's name, without ".weight" or ".bias", of a map of a block.
std::string weight_name(std::int64_t layer, const std::string& target) {
  if (target == "patch") return "embeddings.patch_embedding";
  const char* map = target == "query"    ? "self_attn.q_proj"
                    : target == "key"    ? "self_attn.k_proj"
                    : target == "value"  ? "self_attn.v_proj"
                    : target == "output" ? "self_attn.out_proj"
                    : target == "mlp_in" ? "mlp.fc1"
                                         : "mlp.fc2";
  return fmt::format("encoder.layers.{}.{}", layer, map);
}

// Maps with adapters or gains; of the patch embedding there is one.
std::vector<FastMap> maps_of(const FastForm& form, std::int64_t depth) {
  std::vector<FastMap> out;
  for (std::int64_t layer = 0; layer < depth; ++layer)
    for (const auto& target : form.targets)
      if (target != "patch" || layer == 0) out.push_back({layer, target});
  return out;
}

// Query, key and value are what the conditions differ in; other maps only where they have adapters.
bool is_target(const std::string& name, const FastForm& form, std::int64_t depth) {
  for (std::int64_t layer = 0; layer < depth; ++layer)
    for (const char* target : {"query", "key", "value"})
      if (name.starts_with(weight_name(layer, target) + ".")) return true;
  if (form.qkv != Qkv::kAdapter && form.qkv != Qkv::kGain) return false;
  return std::ranges::any_of(maps_of(form, depth), [&](const FastMap& m) { return name.starts_with(weight_name(m.layer, m.target) + "."); });
}

// The last LayerNorm is no part of the autoencoder: it has no gradient and never changes.
bool is_unused(const std::string& name) { return name.starts_with("post_layernorm"); }
bool is_norm(const std::string& name) { return name.find("layer_norm") != std::string::npos || name.find("layrnorm") != std::string::npos; }

bool trains(const std::string& name, const FastForm& form, std::int64_t depth) {
  if (is_unused(name)) return false;
  if (form.rest == Rest::kEverything) return true;
  if (is_target(name, form, depth)) return form.qkv == Qkv::kFull;
  return form.rest == Rest::kAll || (form.rest == Rest::kNorms && is_norm(name));
}

Parameters own_encoder(const SlowWeights& slow, const FastForm& form, std::int64_t runs) {
  Parameters out;
  for (const auto& [name, parameter] : slow.encoder) {
    const bool target = is_target(name, form, slow.config.depth) && name.ends_with(".weight");
    const bool own = trains(name, form, slow.config.depth) || (form.own_slow && target);
    out[name] = own ? Parameter{own_copies(parameter.value, runs), true} : parameter;
  }
  return out;
}

Parameters fresh_decoder(const DecoderConfig& config, const FastForm& form, const std::vector<FastConfig>& runs) {
  std::map<std::string, std::vector<at::Tensor>> values;
  for (const auto& run : runs)
    for (auto& [name, parameter] : initial_decoder(config, run.decoder, form.mask_token)) values[name].push_back(parameter.value);
  Parameters out;
  for (auto& [name, tensors] : values) out[name] = {at::stack(tensors), true};
  return out;
}

// A mask token that the slow weights have not is drawn.
Parameters own_decoder(const SlowWeights& slow, const DecoderConfig& config, const FastForm& form, const std::vector<FastConfig>& runs) {
  if (!form.slow_decoder) return fresh_decoder(config, form, runs);
  Parameters out;
  if (form.mask_token && !slow.decoder.contains("mask_token")) out["mask_token"] = fresh_decoder(config, form, runs).at("mask_token");
  for (const auto& [name, parameter] : slow.decoder)
    if (name != "mask_token" || form.mask_token) out[name] = {own_copies(parameter.value, static_cast<std::int64_t>(runs.size())), true};
  return out;
}

void fill_uniform(at::Tensor out, const RandomStream& stream, double bound) {
  float* values = out.data_ptr<float>();
  stream.fill_uniform(values, out.numel());
  for (std::int64_t i = 0; i < out.numel(); ++i) values[i] = static_cast<float>((2.0 * values[i] - 1.0) * bound);
}

// a [r, C] and b [D, r] of one run, both zero before.
void draw(FirstValues kind, const RandomStream& stream, at::Tensor a, at::Tensor b) {
  const auto C = static_cast<double>(a.size(1)), bound = 1.0 / std::sqrt(C);
  switch (kind) {
    case FirstValues::kKaiming:
      return fill_uniform(a, stream, bound);
    case FirstValues::kGaussian:
      stream.fill_normal(a.data_ptr<float>(), a.numel());
      a.mul_(bound / std::sqrt(3.0));
      return;
    case FirstValues::kOrthogonal: {
      auto normal = at::empty({a.size(1), a.size(0)});
      stream.fill_normal(normal.data_ptr<float>(), normal.numel());
      a.copy_(std::get<0>(at::linalg_qr(normal)).t() / std::sqrt(3.0));
      return;
    }
    case FirstValues::kSwapped:
      auto values = at::empty(b.sizes());
      fill_uniform(values, stream, 1.0 / std::sqrt(static_cast<double>(b.size(1))));
      b.copy_(values);
      return;
  }
}

Adapter initial_adapter(const std::vector<FastConfig>& runs, const FastMap& map, std::int64_t in, std::int64_t out) {
  std::int64_t rank = 0;
  for (const auto& run : runs) rank = std::max(rank, padded_rank(run.rank));
  const auto R = static_cast<std::int64_t>(runs.size());
  Adapter adapter{at::zeros({R, rank, in}), at::zeros({R, out, rank}), at::zeros({R}), {}};
  for (std::int64_t r = 0; r < R; ++r) {
    const auto& run = runs[static_cast<std::size_t>(r)];
    adapter.scale[r] = run.scale;
    if (std::ranges::find(run.layers, map.layer) == run.layers.end()) continue;   // A and B zero: they stay zero
    draw(run.first_values, run.adapters.child(purpose(map.target)).child(static_cast<std::uint64_t>(map.layer)),
         adapter.a[r].slice(0, 0, run.rank), adapter.b[r].slice(1, 0, run.rank));
  }
  return adapter;
}

void train(std::vector<AdamW::Slot>& slots, at::Tensor& value) {
  value.requires_grad_(true);
  slots.push_back({value, true, true, {}, {}});
}

}  // namespace

std::int64_t padded_rank(std::int64_t rank) { return (rank + kRankStep - 1) / kRankStep * kRankStep; }

FastNetwork build_fast_network(const SlowWeights& slow, const DecoderConfig& decoder, const FastForm& form, const std::vector<FastConfig>& runs,
                               at::Device device) {
  const auto R = static_cast<std::int64_t>(runs.size());
  auto encoder_weights = own_encoder(slow, form, R);
  auto decoder_weights = own_decoder(slow, decoder, form, runs);
  for (auto* weights : {&encoder_weights, &decoder_weights})
    for (auto& [name, parameter] : *weights) parameter.value = parameter.value.to(device);
  std::vector<AdamW::Slot> fast, rest;
  for (auto& [name, parameter] : encoder_weights)
    if (trains(name, form, slow.config.depth)) train(rest, parameter.value);
  if (form.rest != Rest::kNothing && form.train_decoder)
    for (auto& [name, parameter] : decoder_weights) train(rest, parameter.value);
  VitEncoder encoder(slow.config, encoder_weights);
  std::vector<FastMap> maps;
  if (form.qkv == Qkv::kAdapter || form.qkv == Qkv::kGain) maps = maps_of(form, slow.config.depth);
  for (const auto& map : maps) {
    const auto& weight = encoder.weight(map.layer, map.target);
    const auto plain = weight.own ? weight.value[0] : weight.value;
    const auto out = plain.size(0), in = plain.numel() / out;
    Adapter adapter;
    if (form.qkv == Qkv::kGain) {
      adapter.gain = at::ones({R, out}, device);
      train(fast, adapter.gain);
    } else {
      adapter = initial_adapter(runs, map, in, out);
      for (auto* value : {&adapter.a, &adapter.b, &adapter.scale}) *value = value->to(device);
      if (form.by_gradient) {
        train(fast, adapter.a);
        train(fast, adapter.b);
      }
    }
    encoder.set_adapter(map.layer, map.target, adapter);
  }
  Decoder network(decoder, decoder_weights);
  return {std::move(encoder_weights), std::move(decoder_weights), std::move(encoder), std::move(network), std::move(fast), std::move(rest), std::move(maps), device, form.normalised_pixels};
}

void fade(FastNetwork& network, const at::Tensor& keep) {
  const at::NoGradGuard no_gradient;
  for (const auto& map : network.maps) {
    auto fast = *network.encoder.adapter(map.layer, map.target);
    if (fast.b.defined()) fast.b.mul_(keep.to(fast.b.device()).view({-1, 1, 1}));
    if (fast.gain.defined()) fast.gain.sub_(1.0).mul_(keep.to(fast.gain.device()).view({-1, 1})).add_(1.0);
  }
}

void consolidate(FastNetwork& network, const at::Tensor& which) {
  const at::NoGradGuard no_gradient;
  for (const auto& map : network.maps) {
    auto fast = *network.encoder.adapter(map.layer, map.target);
    auto weight = network.encoder.weight(map.layer, map.target).value.detach();
    const auto factor = which.to(weight.device()).view({-1, 1, 1});
    weight.flatten(2).add_(at::bmm(fast.b, fast.a) * (factor * fast.scale.view({-1, 1, 1})));
    fast.b.mul_(1.0 - factor);
  }
}

void keep_runs(FastNetwork& network, const std::vector<std::int64_t>& runs) {
  const auto places = at::tensor(runs, at::kLong);
  const auto reduce = [&](const at::Tensor& own) {
    if (!own.defined()) return;
    own.mutable_grad().reset();  // of the step before: as long as all runs were
    own.set_data(own.detach().index_select(0, places.to(own.device())));
  };
  for (const auto* weights : {&network.encoder_weights, &network.decoder_weights})
    for (const auto& [name, parameter] : *weights)
      if (parameter.own) reduce(parameter.value);
  for (const auto& map : network.maps) {
    const Adapter& fast = *network.encoder.adapter(map.layer, map.target);
    for (const auto* own : {&fast.a, &fast.b, &fast.scale, &fast.gain}) reduce(*own);
  }
}

}  // namespace palimpsest
