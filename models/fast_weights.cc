#include "models/fast_weights.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace palimpsest {
namespace {

bool is_qkv(const std::string& name) {
  return std::ranges::any_of(std::array{"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."},
                             [&](const char* part) { return name.find(part) != std::string::npos; });
}

// The last LayerNorm is no part of the autoencoder: it has no gradient and never changes.
bool is_unused(const std::string& name) { return name.starts_with("post_layernorm"); }

Parameters own_encoder(const Parameters& slow, Qkv qkv, std::int64_t runs) {
  Parameters out;
  for (const auto& [name, parameter] : slow) {
    const bool frozen = is_unused(name) || (is_qkv(name) && qkv != Qkv::kFull);
    out[name] = frozen ? parameter : Parameter{own_copies(parameter.value, runs), true};
  }
  return out;
}

Parameters own_decoder(const DecoderConfig& config, const std::vector<FastConfig>& runs) {
  std::map<std::string, std::vector<at::Tensor>> values;
  for (const auto& run : runs)
    for (auto& [name, parameter] : initial_decoder(config, run.decoder, false)) values[name].push_back(parameter.value);
  Parameters out;
  for (auto& [name, tensors] : values) out[name] = {at::stack(tensors), true};
  return out;
}

Adapter initial_adapter(const std::vector<FastConfig>& runs, std::int64_t layer, const std::string& target, std::int64_t width) {
  std::int64_t rank = 0;
  for (const auto& run : runs) rank = std::max(rank, padded_rank(run.rank));
  const auto R = static_cast<std::int64_t>(runs.size());
  Adapter adapter{at::zeros({R, rank, width}), at::zeros({R, width, rank}), at::zeros({R})};
  const double bound = 1.0 / std::sqrt(static_cast<double>(width));
  for (std::int64_t r = 0; r < R; ++r) {
    const auto& run = runs[static_cast<std::size_t>(r)];
    adapter.scale[r] = run.scale;
    if (std::ranges::find(run.layers, layer) == run.layers.end()) continue;   // A and B zero: they stay zero
    float* a = adapter.a[r].data_ptr<float>();
    const std::int64_t n = run.rank * width;
    run.adapters.child(purpose(target)).child(static_cast<std::uint64_t>(layer)).fill_uniform(a, n);
    for (std::int64_t i = 0; i < n; ++i) a[i] = static_cast<float>((2.0 * a[i] - 1.0) * bound);
  }
  return adapter;
}

void train(std::vector<AdamW::Slot>& slots, at::Tensor& value) {
  value.requires_grad_(true);
  slots.push_back({value, true, true, {}, {}});
}

}  // namespace

std::int64_t padded_rank(std::int64_t rank) { return (rank + kRankStep - 1) / kRankStep * kRankStep; }

FastNetwork build_fast_network(const SlowWeights& slow, const DecoderConfig& decoder, Qkv qkv, const std::vector<std::string>& targets,
                               const std::vector<FastConfig>& runs) {
  auto encoder_weights = own_encoder(slow.encoder, qkv, static_cast<std::int64_t>(runs.size()));
  auto decoder_weights = own_decoder(decoder, runs);
  std::vector<AdamW::Slot> trained;
  for (auto* weights : {&encoder_weights, &decoder_weights})
    for (auto& [name, parameter] : *weights)
      if (parameter.own) train(trained, parameter.value);
  VitEncoder encoder(slow.config, encoder_weights);
  if (qkv == Qkv::kAdapter) {
    for (std::int64_t layer = 0; layer < slow.config.depth; ++layer)
      for (const auto& target : targets) {
        auto adapter = initial_adapter(runs, layer, target, slow.config.width);
        train(trained, adapter.a);
        train(trained, adapter.b);
        encoder.set_adapter(layer, target, adapter);
      }
  }
  Decoder network(decoder, decoder_weights);
  return {std::move(encoder_weights), std::move(decoder_weights), std::move(encoder), std::move(network), std::move(trained)};
}

}  // namespace palimpsest
