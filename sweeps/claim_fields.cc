#include "sweeps/claim_fields.h"

#include <algorithm>

#include <fmt/format.h>

namespace palimpsest {
namespace {

std::string asks_for(const Key& key, const Value& value) { return fmt::format("{{ \"{}\" = {} }}", key.name, text(value)); }

/// A key to compare conditions by: the first with a choice; else any.
const Key& compared(const Study& study) {
  const auto found = std::ranges::find_if(study.keys, [](const Key& key) { return key.sweepable && key.type == KeyType::kString && key.choices.size() > 1; });
  return found == study.keys.end() ? study.keys.front() : *found;
}

/// Another one.
const Key& swept(const Study& study) {
  const auto found = std::ranges::find_if(study.keys, [](const Key& key) { return key.sweepable && key.type == KeyType::kNumber; });
  return found == study.keys.end() ? study.keys.back() : *found;
}

}  // namespace

std::vector<ClaimField> claim_fields(const Study& study) {
  using Type = ClaimField::Type;
  const Key &key = compared(study), &other = swept(study);
  const Value baseline = key.choices.empty() ? key.default_value : Value(key.choices.front());
  const Value treatment = key.choices.empty() ? key.default_value : Value(key.choices.back());
  std::vector<std::string> metrics;
  for (const MetricInfo& metric : study.metrics) metrics.push_back(metric.name);
  std::vector<ClaimField> fields = {
      {"name", Type::kText, "\"what it says, in a few words\"", "what reports call it", false},
      {"metric", Type::kText, text(Value(study.metrics.front().name)), "what is measured", true, metrics},
      {"at", Type::kTable, "{ images = \"familiar\" }",
       "where, by axis: a label, first, middle, last, early, late or all, or a list of these; what is not named is averaged over"},
      {"change", Type::kTable, "{ epoch = [0, 10] }", "the value at the second label minus that at the first; with as = \"log-ratio\" the log of their ratio"},
      {"trend", Type::kText, "\"epoch\"", "in place of change: the slope over the numbers of this axis"},
      {"minus", Type::kTable, "{ images = \"novel\" }", "less the same at other places"},
      {"treatment", Type::kTable, asks_for(key, treatment), "the runs it is of, by values of swept keys; without it all of them"},
      {"baseline", Type::kTable, asks_for(key, baseline), "less what these runs have, paired within each unit"},
      {"direction", Type::kText, "\"greater\"", "than 0, or less", true, {"greater", "less"}},
      {"smallest_effect", Type::kNumber, "0.02", "that matters; without it no verdict is \"negligible\"", true, {}, 0.0},
      {"each", Type::kKeys, fmt::format("[\"{}\"]", other.name), "swept keys at each value of which it must hold", false},
      {"alpha", Type::kNumber, "0.05", "error rate over all claims of the file", false, {}, 0.0, 0.5},
      {"part", Type::kParts, "", "[[claim.part]] below the claim: fields that differ, once for each part; all parts must hold", false},
  };
  if (study.matchable.empty()) return fields;
  std::vector<std::string> matchable;
  for (const auto& [name, key] : study.matchable) matchable.push_back(name);
  const auto after_baseline = std::ranges::find(fields, "baseline", &ClaimField::name) + 1;
  fields.insert(after_baseline, {"matched", Type::kText, text(Value(matchable.front())),
                                 "the change of both up to where they reach the same loss, the lowest that both reach, instead of up to its end", true, matchable});
  return fields;
}

}  // namespace palimpsest
