// Fast weights that learn from what their map receives and gives alone. A stays as it is drawn and gives the code z = A x; B learns.
// M rows (images times tokens), r rank, D units; h = W x + b is the slow response and y = h + s B z the whole one.
//
//   hebbian  dB = rate mean_m y z^T                        Hebb's product (Ba et al., NeurIPS 2016, without the recurrent loop)
//   bcm      dB = rate mean_m y (y - theta) z^T,           theta = mean_m y^2, a unit each (Bienenstock, Cooper & Munro 1982)
//   delta    dB = rate mean_m (h - s B z) z^T              Widrow & Hoff 1960: the code learns to call up the slow response
//                                                          (Schlag, Irie & Schmidhuber, ICML 2021)
//   ridge    B = (h^T z) (z^T z + ridge M I)^-1 / s        where the delta rule ends, in closed form

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/learning_rule.h"

namespace palimpsest {
namespace {

struct Seen {
  at::Tensor z, h;   // [R, M, r], [R, M, D]
  const Adapter& fast;

  at::Tensor scale() const { return fast.scale.view({-1, 1, 1}); }
  at::Tensor recalled() const { return at::bmm(z, fast.b.transpose(1, 2)) * scale(); }   // s B z
  at::Tensor response() const { return h + recalled(); }
  // mean over rows of post pre^T: [R, D, r]
  at::Tensor product(const at::Tensor& post) const { return at::bmm(post.transpose(1, 2), z) / static_cast<double>(z.size(1)); }
};

at::Tensor hebbian(const Seen& seen) { return seen.product(seen.response()); }

at::Tensor bcm(const Seen& seen) {
  const auto y = seen.response();
  // Over rows as the last dimension: one order of summation, whatever R is.
  const auto threshold = y.square().transpose(1, 2).contiguous().mean(-1).unsqueeze(1);
  return seen.product(y * (y - threshold));
}

at::Tensor delta(const Seen& seen) { return seen.product(seen.h - seen.recalled()); }

at::Tensor per_run(const std::vector<double>& values, std::int64_t runs, at::Device device) {
  auto out = at::empty({runs, 1, 1});
  for (std::int64_t run = 0; run < runs; ++run) out[run] = values.size() == 1 ? values[0] : values.at(static_cast<std::size_t>(run));
  return out.to(device);
}

template <at::Tensor (*kChange)(const Seen&)>
class Incremental : public LearningRule {
 public:
  explicit Incremental(const RuleOptions& options) : options_(options) {}
  void apply(const std::vector<Activity>& activity) override {
    const at::NoGradGuard no_gradient;
    for (const auto& map : activity) {
      const Seen seen{at::bmm(map.x, map.fast.a.transpose(1, 2)), map.slow, map.fast};
      const auto rate = per_run(options_.rate, map.x.size(0), map.x.device());
      auto b = map.fast.b;   // shares its memory with the encoder's
      b.mul_(1.0 - rate * per_run(options_.weight_decay, map.x.size(0), map.x.device())).add_(rate * kChange(seen));
    }
  }

  void keep_runs(const std::vector<std::int64_t>& runs) override { options_ = of_runs(options_, runs); }

 private:
  RuleOptions options_;
};

class Ridge : public LearningRule {
 public:
  explicit Ridge(const RuleOptions& options) : options_(options) {}
  void apply(const std::vector<Activity>& activity) override {
    const at::NoGradGuard no_gradient;
    for (const auto& map : activity) {
      const Seen seen{at::bmm(map.x, map.fast.a.transpose(1, 2)), map.slow, map.fast};
      const auto R = seen.z.size(0), r = seen.z.size(2);
      const auto gram = seen.product(seen.z) + at::eye(r, seen.z.options()) * per_run(options_.ridge, R, seen.z.device());   // [R, r, r], by rows
      auto b = map.fast.b;
      for (std::int64_t run = 0; run < R; ++run)   // small systems, one by one: a run's bits do not depend on the others
        b[run].copy_(std::get<0>(at::linalg_solve_ex(gram[run], seen.product(seen.h)[run].t())).t() / map.fast.scale[run].clamp_min(1e-12));
    }
  }

  void keep_runs(const std::vector<std::int64_t>& runs) override { options_ = of_runs(options_, runs); }

 private:
  RuleOptions options_;
};

template <class Rule>
std::unique_ptr<LearningRule> build(const std::vector<AdamW::Slot>&, const RuleOptions& options) {
  return std::make_unique<Rule>(options);
}

}  // namespace

extern const RuleInfo kHebbianRule, kBcmRule, kDeltaRule, kRidgeRule;
const RuleInfo kHebbianRule = {.name = "hebbian", .meaning = "product of what a map receives and gives", .by_gradient = false, .build = build<Incremental<hebbian>>};
const RuleInfo kBcmRule = {.name = "bcm", .meaning = "Hebbian with a threshold that slides with activity", .by_gradient = false, .build = build<Incremental<bcm>>};
const RuleInfo kDeltaRule = {.name = "delta", .meaning = "learns to call up the slow response (linear-attention fast weights)", .by_gradient = false, .build = build<Incremental<delta>>};
const RuleInfo kRidgeRule = {.name = "ridge", .meaning = "where the delta rule ends, in closed form", .by_gradient = false, .build = build<Ridge>};

}  // namespace palimpsest
