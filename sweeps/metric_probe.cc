// Can a linear map of a layer tell the familiar images apart? Trained on the clean ones, tested on the noisy ones (familiarity.md 4.2).

#include <cmath>

#include "sweeps/familiarity_metric.h"
#include "sweeps/metric_algebra.h"

namespace palimpsest {
namespace {

constexpr int kSteps = 100;
constexpr double kRate = 1e-4, kDecay = 0.01, kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8, kRidge = 1e-3;

// First weights of a run's probes, of one layer or the same for all: [R, 1, L or 1, I, C], in +-1/sqrt(C) as torch's nn.Linear.
at::Tensor first_weights(const Seen& seen, std::int64_t images, std::int64_t width, std::uint64_t branch) {
  const auto layers = seen.probes_begin_alike ? 1 : seen.features.size(2);
  std::vector<at::Tensor> all;
  for (const auto& stream : *seen.probes) {
    auto values = at::empty({layers, images, width});
    stream.child(branch).fill_uniform(values.data_ptr<float>(), values.numel());
    all.push_back((2 * values.to(at::kDouble) - 1) / std::sqrt(static_cast<double>(seen.features.size(6))));
  }
  return at::stack(all).unsqueeze(1);
}

struct Moments {
  at::Tensor value, first, second;
  explicit Moments(const at::Tensor& start) : value(start.clone()), first(at::zeros_like(start)), second(at::zeros_like(start)) {}
  void step(const at::Tensor& gradient, int t) {   // AdamW
    first.mul_(kBeta1).add_(gradient, 1 - kBeta1);
    second.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
    value.mul_(1 - kRate * kDecay);
    value.addcdiv_(first, (second.sqrt() / std::sqrt(1 - std::pow(kBeta2, t))).add_(kEpsilon), -kRate / (1 - std::pow(kBeta1, t)));
  }
};

// Share of right answers and mean probability of the right one; scores [R, Q, L, N, P, I, I].
at::Tensor right(const at::Tensor& scores) {
  const auto I = scores.size(-1);
  return mean_of_last((scores.argmax(-1) == at::arange(I, at::kLong)).to(at::kDouble), 2);
}

MetricValues probes(const Seen& seen) {
  const auto& x = seen.features;
  const auto R = x.size(0), Q = x.size(1), L = x.size(2), I = x.size(5), C = x.size(6);
  const auto clean = x.select(3, 0).select(3, 0);   // [R, Q, L, I, C]: image i is class i
  Moments weight(first_weights(seen, I, C, 0).expand({R, Q, L, I, C}).contiguous());
  Moments bias(first_weights(seen, I, 1, 1).squeeze(-1).expand({R, Q, L, I}).contiguous());
  const auto truth = at::eye(I, at::kDouble);
  for (int t = 1; t <= kSteps; ++t) {
    const auto scores = at::matmul(clean, weight.value.transpose(-2, -1)) + bias.value.unsqueeze(-2);
    const auto slope = (at::softmax(scores, -1) - truth) / static_cast<double>(I);   // of the cross-entropy
    weight.step(at::matmul(slope.transpose(-2, -1), clean), t);
    bias.step(slope.transpose(-2, -1).contiguous().sum(-1), t);
  }
  const auto beside = [](const at::Tensor& t) { return t.unsqueeze(3).unsqueeze(3); };
  const auto scores = at::matmul(x, beside(weight.value.transpose(-2, -1))) + beside(bias.value.unsqueeze(-2));
  const auto confidence = mean_of_last(at::softmax(scores, -1).diagonal(0, -2, -1), 2);

  // Run to the end: ridge regression on responses of unit length, which has one solution, W = (F F^T + ridge)^-1 F by the dual form.
  const auto unit = unit_length(clean);
  const auto gram = at::matmul(unit, unit.transpose(-2, -1)) + kRidge * at::eye(I, at::kDouble);
  std::vector<at::Tensor> solved;   // run by run: a run's bits do not depend on the others
  for (std::int64_t r = 0; r < R; ++r) solved.push_back(std::get<0>(at::linalg_solve_ex(gram[r], unit[r])));
  const auto converged = at::matmul(unit_length(x), beside(at::stack(solved).transpose(-2, -1)));
  return {{"probe.accuracy", read_out_last(right(scores))},
          {"probe.confidence", read_out_last(confidence)},
          {"probe.converged_accuracy", read_out_last(right(converged))}};
}

const std::vector<std::string> kAxes = {"epoch", "layer", "noise", "readout"};

}  // namespace

extern const FamiliarityMetric kProbes;
const FamiliarityMetric kProbes = {
    .values = {{"probe.accuracy", kAxes, "", "noisy familiar images told right by a linear map trained on the clean ones for 100 steps (far from converged, as published)"},
               {"probe.confidence", kAxes, "", "that map's probability of the right image"},
               {"probe.converged_accuracy", kAxes, "", "the same by ridge regression on responses of unit length"}},
    .needs = {.familiar_only = true},
    .measure = probes};

}  // namespace palimpsest
