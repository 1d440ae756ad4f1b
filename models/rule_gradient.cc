// Fast weights that follow the gradient of the loss, as the published ones do (arXiv 2508.04988).

#include <string>
#include <type_traits>

#include <ATen/ATen.h>

#include "models/learning_rule.h"
#include "runtime/error.h"
#include "runtime/sgd.h"

namespace palimpsest {
namespace {

template <class Method>
class Gradient : public LearningRule {
 public:
  Gradient(const std::vector<AdamW::Slot>& fast_weights, const RuleOptions& options)
      : optimizer_(fast_weights, AdamW::Options{.learning_rate = options.rate, .weight_decay = options.weight_decay}) {}
  void prepare() override {
    if constexpr (kHasMoments) optimizer_.prepare();
  }
  void apply(const std::vector<Activity>&) override {
    if constexpr (kHasMoments) optimizer_.apply();
    else optimizer_.step();
  }
  void count() override {
    if constexpr (kHasMoments) optimizer_.count();
  }
  bool can_be_recorded() const override { return true; }
  void zero_grad() override { optimizer_.zero_grad(); }
  RuleState state() const override {
    RuleState out;
    if constexpr (kHasMoments) {
      if (optimizer_.slots().empty()) return out;
      out["steps"] = at::full({optimizer_.slots().front().value.size(0)}, optimizer_.steps(), at::kLong);
      for_each_moment(optimizer_.slots(), [&](const std::string& name, const at::Tensor& moment, const AdamW::Slot&) {
        if (moment.defined()) out[name] = moment;   // else no gradient has reached it
      });
    }
    return out;
  }
  void go_on_from(const RuleState& state) override {
    if constexpr (kHasMoments) {
      if (optimizer_.slots().empty()) return;
      optimizer_.set_steps(steps_of(state));
      for_each_moment(optimizer_.slots(), [&](const std::string& name, at::Tensor& moment, const AdamW::Slot& slot) {
        const auto found = state.find(name);
        if (found == state.end()) return;
        if (found->second.sizes() != slot.value.sizes()) throw InputError("moments of another shape, " + name);
        moment = found->second.to(slot.value.device()).contiguous();
      });
    }
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
  template <class Slots, class Visit>
  static void for_each_moment(Slots& slots, const Visit& visit) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      visit(std::to_string(i) + ".moment.1", slots[i].first, slots[i]);
      visit(std::to_string(i) + ".moment.2", slots[i].second, slots[i]);
    }
  }

  // The runs of a pack are at the same step.
  static std::int64_t steps_of(const RuleState& state) {
    const auto found = state.find("steps");
    if (found == state.end()) throw InputError("moments without the number of their steps");
    const auto first = found->second[0].item<std::int64_t>();
    if (!found->second.eq(first).all().item<bool>()) throw InputError("moments of runs that made different numbers of steps");
    return first;
  }

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
