#include "models/linear_probe.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <tuple>

#include <ATen/ATen.h>

// Features of a network are so strongly correlated that L-BFGS on them takes hundreds of steps. Hence the search goes
// on in their principal axes, each in units in which the loss is curved alike in all: at the start its curvature along
// an axis of variance v is v / K + penalty. That changes the way, not the minimum, and takes tens of steps.

namespace palimpsest {
namespace {

constexpr std::int64_t kMostAxes = 1024;  // finding the axes costs the cube of their number
constexpr double kNoVariance = 1e-12;     // of the largest
constexpr double kSmallGradient = 1e-6;
constexpr std::int64_t kMostIterations = 2000;

/// x [N, C] along `axes` [C, A]: W = V / units * axes^T. Without axes, V is W.
struct Coordinates {
  at::Tensor z;      // [N, A]: what V is multiplied with
  at::Tensor axes;   // undefined: the features themselves
  at::Tensor units;  // [A]

  at::Tensor weight(const at::Tensor& v) const { return axes.defined() ? at::mm(v / units, axes.t()) : v; }
  at::Tensor gradient(const at::Tensor& of_v) const { return axes.defined() ? at::mm(of_v * units, axes.t()) : of_v; }
};

// Eigenvectors of x^T x / N, and their eigenvalues. Where there are more features than images, by way of x x^T / N: the
// minimum lies within the span of the images.
std::tuple<at::Tensor, at::Tensor> principal_axes(const at::Tensor& x) {
  const auto N = static_cast<double>(x.size(0));
  if (x.size(1) <= x.size(0)) {
    const auto [variance, axes] = at::linalg_eigh(at::mm(x.t(), x) / N);
    return {variance.clamp_min(0), axes};
  }
  const auto [variance, images] = at::linalg_eigh(at::mm(x, x.t()) / N);
  const auto kept = (variance > kNoVariance * variance.max()).nonzero().flatten();
  const auto v = variance.index_select(0, kept);
  return {v, at::mm(x.t(), images.index_select(1, kept)) / (v * N).sqrt()};
}

Coordinates coordinates_of(const at::Tensor& x, std::int64_t classes, double penalty) {
  if (std::min(x.size(0), x.size(1)) > kMostAxes) return {x, {}, at::ones({x.size(1)}, at::kDouble)};
  const auto [variance, axes] = principal_axes(x);
  const auto units = (variance / static_cast<double>(classes) + penalty).sqrt();
  return {at::mm(x, axes) / units, axes, units};
}

// The function of the probe, V and b in one row [K (A + 1)].
class ProbeLoss {
 public:
  ProbeLoss(const Coordinates& at_, const at::Tensor& labels, std::int64_t classes, double penalty)
      : z_(at_.z),
        penalty_(penalty / at_.units.square()),
        target_(at::one_hot(labels, classes).to(at::kDouble)),
        classes_(classes) {}

  double operator()(const at::Tensor& w, at::Tensor& gradient) const {
    const auto V = weights_of(w), b = biases_of(w);
    const auto log_p = at::log_softmax(at::addmm(b, z_, V.t()), -1);
    const auto N = static_cast<double>(z_.size(0));
    const auto pull = V * penalty_;
    const double loss = -(log_p * target_).sum().item<double>() / N + 0.5 * (V * pull).sum().item<double>();
    const auto error = (log_p.exp() - target_) / N;
    gradient = at::cat({(at::mm(error.t(), z_) + pull).flatten(), error.sum(0)});
    return loss;
  }

  at::Tensor weights_of(const at::Tensor& w) const {
    return w.slice(0, 0, classes_ * z_.size(1)).view({classes_, z_.size(1)});
  }
  at::Tensor biases_of(const at::Tensor& w) const { return w.slice(0, classes_ * z_.size(1)); }

 private:
  at::Tensor z_, penalty_, target_;
  std::int64_t classes_;
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

at::Tensor LinearProbe::classes_of(const at::Tensor& features) const {
  return at::addmm(bias, (features.to(at::kDouble) - mean) / sd, weight.t()).argmax(-1);
}

LinearProbe fit_linear_probe(const at::Tensor& features, const at::Tensor& labels, std::int64_t classes,
                             double penalty) {
  LinearProbe probe;
  const auto x = features.to(at::kDouble);
  probe.mean = x.mean(0);
  probe.sd = x.std(0, /*unbiased=*/false);
  probe.sd.masked_fill_(probe.sd < 1e-12, 1.0);  // a feature that never changes
  const auto coordinates = coordinates_of((x - probe.mean) / probe.sd, classes, penalty);
  const ProbeLoss loss_of(coordinates, labels, classes, penalty);
  auto w = at::zeros({classes * (coordinates.z.size(1) + 1)}, at::kDouble);
  at::Tensor gradient;
  probe.loss = loss_of(w, gradient);
  LimitedMemory memory;
  const auto largest = [&] {  // of the gradient by W and b
    return std::max(coordinates.gradient(loss_of.weights_of(gradient)).abs().max().item<double>(),
                    loss_of.biases_of(gradient).abs().max().item<double>());
  };
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
  probe.weight = coordinates.weight(loss_of.weights_of(w));
  probe.bias = loss_of.biases_of(w);
  return probe;
}

}  // namespace palimpsest
