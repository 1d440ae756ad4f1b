#include "models/readout_accuracy.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include <ATen/ATen.h>

#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

constexpr double kTemperature = 0.07;
constexpr std::int64_t kRowsAtOnce = 512;

at::Tensor unit(const at::Tensor& rows) { return rows / rows.norm(2, -1, true).clamp_min(1e-12); }

// The function of the probe, W and b in one row [K (C + 1)].
class ProbeLoss {
 public:
  ProbeLoss(at::Tensor x, const at::Tensor& labels, std::int64_t classes, double penalty)
      : x_(std::move(x)), target_(at::one_hot(labels, classes).to(at::kDouble)), classes_(classes), penalty_(penalty) {}

  double operator()(const at::Tensor& w, at::Tensor& gradient) const {
    const std::int64_t C = x_.size(1);
    const auto W = w.slice(0, 0, classes_ * C).view({classes_, C});
    const auto b = w.slice(0, classes_ * C);
    const auto logits = at::addmm(b, x_, W.t());
    const auto log_p = at::log_softmax(logits, -1);
    const auto N = static_cast<double>(x_.size(0));
    const double loss = -(log_p * target_).sum().item<double>() / N + 0.5 * penalty_ * W.square().sum().item<double>();
    const auto error = (log_p.exp() - target_) / N;
    gradient = at::cat({(at::mm(error.t(), x_) + penalty_ * W).flatten(), error.sum(0)});
    return loss;
  }

 private:
  at::Tensor x_, target_;
  std::int64_t classes_;
  double penalty_;
};

// L-BFGS (Nocedal & Wright, Algorithm 7.4), with a line search that halves the step until the loss has fallen enough
// (Armijo).
class LimitedMemory {
 public:
  at::Tensor direction(const at::Tensor& gradient) const {
    auto q = gradient.clone();
    std::vector<double> alpha(pairs_.size());
    for (auto i = std::ssize(pairs_) - 1; i >= 0; --i) {
      alpha[i] = pairs_[i].rho * dot(pairs_[i].s, q);
      q -= alpha[i] * pairs_[i].y;
    }
    if (!pairs_.empty()) q *= 1.0 / (pairs_.back().rho * dot(pairs_.back().y, pairs_.back().y));
    for (std::size_t i = 0; i < pairs_.size(); ++i) q += (alpha[i] - pairs_[i].rho * dot(pairs_[i].y, q)) * pairs_[i].s;
    return -q;
  }

  void remember(const at::Tensor& s, const at::Tensor& y) {
    const double sy = dot(s, y);
    if (sy <= 1e-14) return;  // the loss is convex: only where rounding is all that is left
    pairs_.push_back({s, y, 1.0 / sy});
    if (pairs_.size() > kPairs) pairs_.pop_front();
  }

  void forget() { pairs_.clear(); }
  static double dot(const at::Tensor& a, const at::Tensor& b) { return at::dot(a, b).item<double>(); }

 private:
  static constexpr std::size_t kPairs = 12;
  struct Pair {
    at::Tensor s, y;
    double rho;
  };
  std::deque<Pair> pairs_;
};

constexpr double kSmallGradient = 1e-6;
constexpr std::int64_t kMostIterations = 2000;

// Takes one step; false where none lowers the loss any more.
bool step(const ProbeLoss& loss_of, LimitedMemory& memory, at::Tensor& w, double& loss, at::Tensor& gradient) {
  const auto direction = memory.direction(gradient);
  const double slope = LimitedMemory::dot(direction, gradient);
  if (slope >= 0) return false;
  for (double size = 1; size > 1e-10; size /= 2) {
    const auto next = w + size * direction;
    at::Tensor there;
    const double value = loss_of(next, there);
    if (!(value <= loss + 1e-4 * size * slope)) continue;
    memory.remember(next - w, there - gradient);
    w = next;
    loss = value;
    gradient = there;
    return true;
  }
  return false;
}

}  // namespace

at::Tensor nearest_neighbours(const at::Tensor& train, const at::Tensor& labels, const at::Tensor& test, std::int64_t k,
                              std::int64_t classes) {
  const auto near = unit(train.to(at::kDouble)).t().contiguous(), asked = unit(test.to(at::kDouble));
  std::vector<at::Tensor> out;
  for (std::int64_t first = 0; first < asked.size(0); first += kRowsAtOnce) {
    const auto similarity = at::mm(asked.slice(0, first, first + kRowsAtOnce), near);
    const auto [most, which] = similarity.topk(std::min(k, train.size(0)), -1);
    const auto votes = at::zeros({similarity.size(0), classes}, at::kDouble)
                           .scatter_add(1, labels.index({which}), ((most - 1.0) / kTemperature).exp());
    out.push_back(votes.argmax(-1));
  }
  return at::cat(out);
}

at::Tensor LinearProbe::classes_of(const at::Tensor& features) const {
  return at::addmm(bias, (features.to(at::kDouble) - mean) / sd, weight.t()).argmax(-1);
}

LinearProbe fit_linear_probe(const at::Tensor& features, const at::Tensor& labels, std::int64_t classes,
                             double penalty) {
  LinearProbe probe;
  const auto x = features.to(at::kDouble);
  const std::int64_t C = x.size(1);
  probe.mean = x.mean(0);
  probe.sd = x.std(0, /*unbiased=*/false);
  probe.sd.masked_fill_(probe.sd < 1e-12, 1.0);  // a feature that never changes
  const ProbeLoss loss_of((x - probe.mean) / probe.sd, labels, classes, penalty);
  auto w = at::zeros({classes * (C + 1)}, at::kDouble);
  at::Tensor gradient;
  probe.loss = loss_of(w, gradient);
  LimitedMemory memory;
  const auto largest = [&] { return gradient.abs().max().item<double>(); };
  bool fresh = true;  // no step of the past is in the memory
  while (largest() > kSmallGradient && probe.iterations < kMostIterations) {
    ++probe.iterations;
    if (step(loss_of, memory, w, probe.loss, gradient)) {
      fresh = false;
    } else {
      if (fresh) break;
      memory.forget();
      fresh = true;
    }
  }
  probe.gradient = largest();
  probe.converged = probe.gradient <= kSmallGradient;
  probe.weight = w.slice(0, 0, classes * C).view({classes, C});
  probe.bias = w.slice(0, classes * C);
  return probe;
}

Share wilson(std::int64_t right, std::int64_t n) {
  constexpr double z = 1.959963984540054;
  const double N = static_cast<double>(n), p = static_cast<double>(right) / N;
  const double middle = (p + z * z / (2 * N)) / (1 + z * z / N);
  const double half = z / (1 + z * z / N) * std::sqrt(p * (1 - p) / N + z * z / (4 * N * N));
  return {p, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

Share bootstrap_mean(const std::vector<double>& values) {
  constexpr std::int64_t kResamples = 2000;
  const auto n = values.size();
  const auto mean = [&](auto value_at) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += value_at(i);
    return sum / static_cast<double>(n);
  };
  std::vector<double> means;
  for (std::int64_t r = 0; r < kResamples; ++r) {
    const auto stream = RandomStream(purpose("bootstrap")).child(static_cast<std::uint64_t>(r));
    means.push_back(mean([&](std::size_t i) { return values[stream.below(i, n)]; }));
  }
  std::ranges::sort(means);
  const auto at = [&](double share) { return means[static_cast<std::size_t>(share * (kResamples - 1))]; };
  return {mean([&](std::size_t i) { return values[i]; }), at(0.025), at(0.975)};
}

}  // namespace palimpsest
