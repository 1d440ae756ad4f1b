// Fast weights that follow the gradient of the loss, as the published ones do (arXiv 2508.04988).

#include <type_traits>

#include <ATen/ATen.h>

#include "models/learning_rule.h"
#include "runtime/sgd.h"

namespace palimpsest {
namespace {

template <class Method>
class Gradient : public LearningRule {
 public:
  Gradient(const std::vector<AdamW::Slot>& fast_weights, const RuleOptions& options)
      : optimizer_(fast_weights, AdamW::Options{.learning_rate = options.rate, .weight_decay = options.weight_decay}) {}
  void step(const std::vector<Activity>&) override { optimizer_.step(); }
  void zero_grad() override { optimizer_.zero_grad(); }
  std::vector<AdamW::Slot>* slots() override {
    if constexpr (kHasMoments) return &optimizer_.slots();
    return nullptr;
  }
  std::int64_t steps() const override {
    if constexpr (kHasMoments) return optimizer_.steps();
    return 0;
  }
  void set_steps(std::int64_t steps) override {
    if constexpr (kHasMoments) optimizer_.set_steps(steps);
  }
  void keep_runs(const std::vector<std::int64_t>& runs) override {
    auto& options = optimizer_.options();
    options.learning_rate = of_runs(options.learning_rate, runs);
    options.weight_decay = of_runs(options.weight_decay, runs);
    const auto places = at::tensor(runs, at::kLong);
    for (auto& slot : optimizer_.slots())
      for (auto* moment : {&slot.first, &slot.second})
        if (moment->defined()) *moment = moment->index_select(0, places.to(moment->device()));
  }

 private:
  static constexpr bool kHasMoments = std::is_same_v<Method, AdamW>;
  Method optimizer_;
};

template <class Method>
std::unique_ptr<LearningRule> build(const std::vector<AdamW::Slot>& fast_weights, const RuleOptions& options) {
  return std::make_unique<Gradient<Method>>(fast_weights, options);
}

}  // namespace

extern const RuleInfo kAdamWRule, kSgdRule;
const RuleInfo kAdamWRule = {.name = "adamw", .meaning = "gradient of the loss, AdamW", .by_gradient = true, .build = build<AdamW>};
const RuleInfo kSgdRule = {.name = "sgd", .meaning = "gradient of the loss, plain descent", .by_gradient = true, .build = build<Sgd>};

}  // namespace palimpsest
