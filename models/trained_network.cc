#include "models/trained_network.h"

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

at::Tensor of_run(const at::Tensor& own, std::int64_t run) { return own.detach()[run].to(at::kCPU, own.scalar_type(), /*non_blocking=*/false, /*copy=*/true); }

Parameters of_run(const Parameters& weights, std::int64_t run) {
  Parameters out;
  for (const auto& [name, parameter] : weights)
    out[name] = {parameter.own ? of_run(parameter.value, run) : parameter.value.detach().cpu(), false};
  return out;
}

// y = gain (W x + b).
void multiply_in(const at::Tensor& gain_D, const std::string& map, Parameters& encoder) {
  auto& weight = encoder.at(map + ".weight").value;
  weight = (weight.flatten(1) * gain_D.unsqueeze(1)).view_as(weight);
  if (const auto bias = encoder.find(map + ".bias"); bias != encoder.end()) bias->second.value = bias->second.value * gain_D;
}

}  // namespace

AdaptedWeights trained_network(const FastNetwork& network, const SlowWeights& slow, std::int64_t run, std::int64_t rank) {
  AdaptedWeights out{slow, {}};
  out.slow.encoder = of_run(network.encoder_weights, run);
  out.slow.decoder_config = network.decoder.config();
  out.slow.decoder = of_run(network.decoder_weights, run);
  for (const auto& [layer, target] : network.maps) {
    const Adapter& fast = *network.encoder.adapter(layer, target);
    const auto map = map_name(layer, target);
    if (fast.gain.defined()) {
      multiply_in(of_run(fast.gain, run), map, out.slow.encoder);
      continue;
    }
    const auto a = of_run(fast.a, run).slice(0, 0, rank).contiguous(), b = of_run(fast.b, run).slice(1, 0, rank).contiguous();
    if (a.any().item<bool>() || b.any().item<bool>()) out.adapters[map] = {a, b, fast.scale[run].item<double>()};
  }
  return out;
}

}  // namespace palimpsest
