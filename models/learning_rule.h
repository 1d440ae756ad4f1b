#pragma once

// How fast weights learn. A new rule is a file that defines a RuleInfo, and its name in learning_rule.cc.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/vit_encoder.h"
#include "runtime/adamw.h"

namespace palimpsest {

/// What one adapted map did on the familiar images of a step: the adapter, its input x [R, M, C] and the response of the slow
/// weights W x + b [R, M, D].
struct Activity {
  Adapter fast;
  at::Tensor x, slow;
};

/// Each [R], or one for all.
struct RuleOptions {
  std::vector<double> rate, weight_decay, ridge;
};

/// The entries of those runs; what is one for all stays.
std::vector<double> of_runs(const std::vector<double>& values, const std::vector<std::int64_t>& runs);
RuleOptions of_runs(const RuleOptions&, const std::vector<std::int64_t>& runs);

/// What a rule carries from step to step, by names of its own: tensors [R, ...].
using RuleState = std::map<std::string, at::Tensor>;

class LearningRule {
 public:
  virtual ~LearningRule() = default;
  /// After the backward pass of a step. `activity` is empty for rules that follow the gradient.
  void step(const std::vector<Activity>& activity) { prepare(), apply(activity), count(); }
  /// The same in three parts, as AdamW has them.
  virtual void prepare() {}
  virtual void apply(const std::vector<Activity>& activity) = 0;
  virtual void count() {}
  /// Whether apply() is the same work at each step, so that it can be recorded and done again.
  virtual bool can_be_recorded() const { return false; }
  virtual void zero_grad() {}
  /// All of it; a rule that goes on from what another had of it makes the same steps as that one.
  virtual RuleState state() const { return {}; }
  virtual void go_on_from(const RuleState&) {}   // throws InputError where it is none of this rule
  /// Runs left the pack: these stay, in this order. Their weights hold no others by now.
  virtual void keep_runs(const std::vector<std::int64_t>& runs) = 0;
};

struct RuleInfo {
  const char* name;
  const char* meaning;
  bool by_gradient;   // of the loss; else from what the map itself receives and gives
  std::unique_ptr<LearningRule> (*build)(const std::vector<AdamW::Slot>& fast_weights, const RuleOptions&);
};

const std::vector<const RuleInfo*>& learning_rules();
const RuleInfo& find_learning_rule(const std::string& name);   // throws InputError

}  // namespace palimpsest
