// Writes what circuits of each rule do on random drives as a safetensors file, for circuit_peer_test.py.
//   circuit_trace OUT.safetensors

#include <cstdio>
#include <vector>

#include <ATen/ATen.h>

#include "models/circuit.h"
#include "runtime/random_stream.h"
#include "runtime/tensor_file.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kStimuli = 6, kFew = 6, kSteps = 200;

at::Tensor tensor(const std::vector<float>& values, std::vector<std::int64_t> shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).clone();
}

// [neurons, neurons], zero outside windows.
at::Tensor dense(const Circuit& circuit) {
  const auto n = circuit.config().neurons();
  auto out = at::zeros({n, n});
  for (std::int64_t to = 0; to < n; ++to) {
    const auto from = circuit.inputs_of(to);
    const auto weights = circuit.weights_onto(to);
    for (std::size_t i = 0; i < from.size(); ++i) out.data_ptr<float>()[to * n + from[i]] = weights[i];
  }
  return out;
}

at::Tensor rates(const Circuit& circuit) {
  return tensor({circuit.rates().begin(), circuit.rates().end()}, {circuit.config().neurons()});
}

void trace(const std::string& name, const CircuitConfig& config, const Plasticity& plasticity, TensorMap& out) {
  const auto n = config.neurons();
  std::vector<float> drives(kStimuli * n);
  RandomStream(7).fill_uniform(drives.data(), kStimuli * n);
  for (float& d : drives) d *= d * d * d;
  Circuit circuit(config);
  circuit.threshold().assign(n, 0.02);
  const auto show = [&](std::int64_t stimulus, std::int64_t steps) {
    const float gain = 10;
    std::vector<float> strong(drives.begin() + stimulus * n, drives.begin() + (stimulus + 1) * n);
    for (float& d : strong) d *= gain;
    circuit.begin();
    circuit.present({strong, steps}, plasticity, 1.0 - 0.02 * static_cast<double>(stimulus));
  };
  out[name + ".drives"] = tensor(drives, {kStimuli, n});
  out[name + ".steady.before"] = tensor(circuit.respond(drives, 100, 10).steady, {kStimuli, n});
  out[name + ".weights.first"] = dense(circuit);
  show(0, kFew);
  out[name + ".rates.few"] = rates(circuit);
  out[name + ".weights.few"] = dense(circuit);
  for (std::int64_t s = 0; s < kStimuli; ++s) show(s, kSteps);
  out[name + ".weights.course"] = dense(circuit);
  out[name + ".theta.course"] = at::tensor(circuit.threshold(), at::kDouble).to(at::kFloat);
  out[name + ".steady.after"] = tensor(circuit.respond(drives, 100, 10).steady, {kStimuli, n});
}

}  // namespace
}  // namespace palimpsest

int main(int, char** arguments) {
  using namespace palimpsest;
  TensorMap out;
  CircuitConfig small{.rows = 5, .columns = 6, .features = 8};
  trace("bcm", small, {PlasticityRule::kBcm, 1e6, 1e5}, out);
  trace("hebb", small, {PlasticityRule::kHebb, 1e5, 1e5}, out);
  trace("oja", small, {PlasticityRule::kOja, 1e5, 1e5}, out);
  trace("anti-hebb", small, {PlasticityRule::kAntiHebb, 1e5, 1e5}, out);
  CircuitConfig other = small;
  other.exponent = 1, other.inhibitory_radius = 1, other.excitatory_radius = 1, other.features = 5;
  trace("linear", other, {PlasticityRule::kHebb, 1e5, 1e5}, out);
  write_tensors(arguments[1], out, {});
}
