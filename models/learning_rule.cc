#include "models/learning_rule.h"

#include "runtime/named.h"

namespace palimpsest {

extern const RuleInfo kAdamWRule, kSgdRule, kHebbianRule, kBcmRule, kDeltaRule, kRidgeRule;

const std::vector<const RuleInfo*>& learning_rules() {
  static const std::vector<const RuleInfo*> list = {&kAdamWRule, &kSgdRule, &kHebbianRule, &kBcmRule, &kDeltaRule, &kRidgeRule};
  return list;
}

const RuleInfo& find_learning_rule(const std::string& name) { return find_named(learning_rules(), name, "learning rule"); }

std::vector<double> of_runs(const std::vector<double>& values, const std::vector<std::int64_t>& runs) {
  if (values.size() <= 1) return values;
  std::vector<double> out;
  for (const auto run : runs) out.push_back(values.at(static_cast<std::size_t>(run)));
  return out;
}

RuleOptions of_runs(const RuleOptions& options, const std::vector<std::int64_t>& runs) {
  return {of_runs(options.rate, runs), of_runs(options.weight_decay, runs), of_runs(options.ridge, runs)};
}

}  // namespace palimpsest
