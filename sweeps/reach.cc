#include "sweeps/reach.h"

#include <algorithm>

#include <fmt/format.h>

namespace palimpsest {
namespace {

bool asks_for(const Condition& condition, const std::string& key, const Value& value) {
  const auto asked = condition.find(key);
  return asked != condition.end() && same_value(asked->second, value);
}

/// Keys that move together have only the values of one point.
bool has_point(const Bundle& bundle, const Condition& condition) {
  return std::ranges::any_of(bundle.points, [&](const std::vector<std::size_t>& point) {
    for (std::size_t i = 0; i < bundle.axes.size(); ++i) {
      const SweepAxis& axis = bundle.axes[i];
      if (condition.contains(axis.key) && !asks_for(condition, axis.key, axis.values[point[i]])) return false;
    }
    return true;
  });
}

/// Where the `when` of an axis does not hold, its key has the base value; with another value the condition asks for `when` too.
bool can_have(const SweepAxis& axis, const Definition& definition, Condition& condition) {
  const auto asked = condition.find(axis.key);
  if (asked == condition.end()) return true;
  const auto is_it = [&](const Value& value) { return same_value(value, asked->second); };
  if (!axis.when.empty() && definition.base.has(axis.key) && is_it(definition.base.at(axis.key))) return true;
  return std::ranges::any_of(axis.values, is_it) && join(condition, axis.when);
}

bool leaves_out(const Exclusion& rule, const Condition& condition) {
  return std::ranges::all_of(rule, [&](const auto& one) {
    return std::ranges::any_of(one.second, [&](const Value& value) { return asks_for(condition, one.first, value); });
  });
}

/// Whether some run has one of its values for each key of the rule from `key` on, and what `condition` asks for.
bool some_run_matches(const Exclusion& rule, Exclusion::const_iterator key, const Definition& definition, const Condition& condition) {
  if (key == rule.end()) return some_run_has(definition, condition);
  return std::ranges::any_of(key->second, [&](const Value& value) {
    Condition more = condition;
    more[key->first] = value;
    return some_run_matches(rule, std::next(key), definition, more);
  });
}

std::string rule_text(const Exclusion& rule) {
  std::string all;
  for (const auto& [key, values] : rule) {
    std::string any;
    for (const Value& value : values) any += (any.empty() ? "" : " or ") + text(value);
    all += fmt::format("{}{} = {}", all.empty() ? "" : " and ", key, any);
  }
  return all;
}

}  // namespace

bool join(Condition& into, const Condition& more) {
  return std::ranges::all_of(more, [&](const auto& wanted) {
    const auto [there, is_new] = into.emplace(wanted);
    return is_new || same_value(there->second, wanted.second);
  });
}

bool some_run_has(const Definition& definition, const Condition& asked) {
  Condition condition = asked;
  for (const SweepAxis& axis : definition.grid)
    if (!can_have(axis, definition, condition)) return false;
  if (!std::ranges::all_of(definition.bundles, [&](const Bundle& bundle) { return has_point(bundle, condition); })) return false;
  return std::ranges::all_of(condition, [&](const auto& wanted) {
    return axis_of(definition, wanted.first) || !definition.base.has(wanted.first) || same_value(definition.base.at(wanted.first), wanted.second);
  });
}

bool all_excluded(const Definition& definition, const Condition& condition) {
  return std::ranges::any_of(definition.excluded, [&](const Exclusion& rule) { return leaves_out(rule, condition); });
}

std::vector<std::string> idle_exclusions(const Definition& definition) {
  std::vector<std::string> warnings;
  for (const Exclusion& rule : definition.excluded)
    if (!some_run_matches(rule, rule.begin(), definition, {}))
      warnings.push_back(fmt::format("[[sweep.exclude]] {} leaves out no run, for none has that. Mend its values, or take it out.", rule_text(rule)));
  return warnings;
}

}  // namespace palimpsest
