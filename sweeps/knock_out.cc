#include "sweeps/knock_out.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

/// What an update is scaled by: gains g as 1 + s (g - 1), adapters by their scale. [R, ...], shared with the encoder.
at::Tensor handle(FastNetwork& network, const FastMap& map) {
  const Adapter& fast = *network.encoder.adapter(map.layer, map.target);
  return (fast.gain.defined() ? fast.gain : fast.scale).detach();
}

double share(const FamiliarityConfig& run, std::int64_t layer, std::int64_t depth) {
  if (run.test_layers_off.empty()) return run.test_gain;
  const auto off = layers_of(run.test_layers_off, depth, "test.layers_off");
  return std::ranges::find(off, layer) == off.end() ? run.test_gain : 0.0;
}

}  // namespace

KnockOut::KnockOut(FastNetwork& network, const std::vector<FamiliarityConfig>& runs) : network_(network) {
  scale_updates(runs);
  silence_heads(runs);
}

KnockOut::~KnockOut() {
  for (std::size_t i = 0; i < kept_.size(); ++i) handle(network_, network_.maps[i]).copy_(kept_[i]);
  for (const auto& [layer, gain] : silent_) network_.encoder.set_head_gain(layer, {});
}

void KnockOut::scale_updates(const std::vector<FamiliarityConfig>& runs) {
  for (const auto& map : network_.maps) {
    const bool gains = network_.encoder.adapter(map.layer, map.target)->gain.defined();
    const auto values = handle(network_, map);
    kept_.push_back(values.clone());
    for (std::size_t r = 0; r < runs.size(); ++r) {
      const double s = share(runs[r], map.layer, network_.encoder.config().depth);
      auto own = values[static_cast<std::int64_t>(r)];
      if (s == 1.0) continue;
      if (gains) own.sub_(1.0).mul_(s).add_(1.0);
      else own.mul_(s);
    }
  }
}

void KnockOut::silence_heads(const std::vector<FamiliarityConfig>& runs) {
  for (std::size_t r = 0; r < runs.size(); ++r)
    for (const auto& [layer, head] : runs[r].test_heads_off) {
      auto& silent = silent_[layer];
      if (!silent.defined()) silent = at::ones({static_cast<std::int64_t>(runs.size()), network_.encoder.config().heads}, network_.device);
      silent[static_cast<std::int64_t>(r)][head] = 0;
    }
  for (const auto& [layer, gain] : silent_) network_.encoder.set_head_gain(layer, gain);
}

void SwappedFastWeights::swap() {
  for (const auto& [layer, target] : network_.maps) {
    const Adapter own = *network_.encoder.adapter(layer, target);
    network_.encoder.set_adapter(layer, target, *other_.encoder.adapter(layer, target));
    other_.encoder.set_adapter(layer, target, own);
  }
}

}  // namespace palimpsest
