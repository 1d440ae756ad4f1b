#include "sweeps/circuit_linear.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <ATen/ATen.h>

namespace palimpsest {
namespace {

// W_ee, [to, from].
at::Tensor excitation_of(const Circuit& circuit) {
  const auto n = circuit.config().neurons();
  auto out = at::zeros({n, n}, at::kDouble);
  if (!circuit.config().in_tests.excitation) return out;
  for (std::int64_t to = 0; to < n; ++to) {
    const auto from = circuit.inputs_of(to);
    const auto weights = circuit.weights_onto(to);
    for (std::size_t i = 0; i < from.size(); ++i) out.data_ptr<double>()[to * n + from[i]] = weights[i];
  }
  return out;
}

// W_ie: all features of the own hypercolumn, and the same feature around it. [to, from]
at::Tensor onto_inhibition(const CircuitConfig& c) {
  const auto n = c.neurons();
  const double weight = c.inhibitory_weight / static_cast<double>(9 + c.features - 1);
  auto out = at::zeros({n, n}, at::kDouble);
  for (std::int64_t to = 0; to < n; ++to)
    for (std::int64_t from = 0; from < n; ++from) {
      const auto here = to / c.features, there = from / c.features;
      const auto away = std::max(std::abs(here / c.columns - there / c.columns), std::abs(here % c.columns - there % c.columns));
      if (here == there || (away <= c.inhibitory_radius && to % c.features == from % c.features))
        out.data_ptr<double>()[to * n + from] = weight;
    }
  return out;
}

// f(u) = beta max(u - theta0, 0)^p, and its slope where the rate is r.
at::Tensor rate_at(const at::Tensor& u, const CircuitConfig& c) { return c.beta * (u - c.threshold).clamp_min(0).pow(c.exponent); }
at::Tensor slope_at(const at::Tensor& r, const CircuitConfig& c) {
  return c.exponent == 1 ? c.beta * (r > 0).to(at::kDouble) : 2 * (c.beta * r).sqrt();
}

at::Tensor inhibitory_rates(const at::Tensor& x, const CircuitConfig& c) {
  return rate_at(at::matmul(x, onto_inhibition(c).t()), c);
}

}  // namespace

LinearModes slowest_modes(const Circuit& circuit, const at::Tensor& rates, std::int64_t count) {
  const auto& c = circuit.config();
  const auto n = c.neurons();
  const auto from_inhibition = at::full({n, n}, c.in_tests.inhibition ? -1.0 / static_cast<double>(n) : 0.0, at::kDouble);
  const auto weights = at::cat({at::cat({excitation_of(circuit), from_inhibition}, 1),
                                at::cat({onto_inhibition(c), at::zeros({n, n}, at::kDouble)}, 1)});
  const auto fast = at::cat({at::full({n}, 1 / c.tau_e, at::kDouble), at::full({n}, 1 / c.tau_i, at::kDouble)});
  const auto slopes = slope_at(at::cat({rates, inhibitory_rates(rates, c)}), c);
  const auto jacobian = (slopes * fast).unsqueeze(1) * weights - at::diag(fast);
  const auto [values, vectors] = at::linalg_eig(jacobian.t());  // columns: left eigenvectors of J
  const auto decay = at::real(values);
  const auto slowest = std::get<1>(decay.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true)).slice(0, 0, count);
  return {-1 / decay.index_select(0, slowest), vectors.index_select(1, slowest).t().contiguous()};
}

at::Tensor seen_by(const LinearModes& modes, const Circuit& circuit, const at::Tensor& x) {
  const auto all = at::cat({x, inhibitory_rates(x, circuit.config())}, -1).to(at::kComplexDouble);
  return at::view_as_real(at::matmul(all, modes.readers.t()).contiguous()).flatten(-2);
}

}  // namespace palimpsest
