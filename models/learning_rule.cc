#include "models/learning_rule.h"

#include "runtime/named.h"

namespace palimpsest {

extern const RuleInfo kAdamWRule, kSgdRule, kHebbianRule, kBcmRule, kDeltaRule, kRidgeRule;

const std::vector<const RuleInfo*>& learning_rules() {
  static const std::vector<const RuleInfo*> list = {&kAdamWRule, &kSgdRule, &kHebbianRule, &kBcmRule, &kDeltaRule, &kRidgeRule};
  return list;
}

const RuleInfo& find_learning_rule(const std::string& name) { return find_named(learning_rules(), name, "learning rule"); }

}  // namespace palimpsest
