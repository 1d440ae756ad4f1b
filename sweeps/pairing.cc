#include "sweeps/pairing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace palimpsest {
namespace {

enum class Outcome { kWhole, kFailed, kIncomplete };

struct Judged {
  std::int64_t unit = 0;
  Outcome outcome = Outcome::kWhole;
  double value = 0;
};

bool failed(const LedgerRun& run, const RunValues& values) {
  const auto value = values.find(run.spec.id);
  return run.state == RunState::kFailed || (value != values.end() && std::isnan(value->second));
}

bool has_value(const LedgerRun& run, const RunValues& values) {
  const auto value = values.find(run.spec.id);
  return run.state == RunState::kDone && value != values.end() && !std::isnan(value->second);
}

double average(const std::vector<const LedgerRun*>& runs, const RunValues& values) {
  double sum = 0;
  for (const LedgerRun* run : runs) sum += values.at(run->spec.id);
  return sum / static_cast<double>(runs.size());
}

Judged judged(const Pair& pair, bool has_baseline, const RunValues& values) {
  auto runs = pair.treatment;
  runs.insert(runs.end(), pair.baseline.begin(), pair.baseline.end());
  if (std::any_of(runs.begin(), runs.end(), [&](const LedgerRun* run) { return failed(*run, values); }))
    return {pair.unit, Outcome::kFailed};
  const bool one_sided = pair.treatment.empty() || (has_baseline && pair.baseline.empty());
  if (one_sided ||
      !std::all_of(runs.begin(), runs.end(), [&](const LedgerRun* run) { return has_value(*run, values); }))
    return {pair.unit, Outcome::kIncomplete};
  return {pair.unit, Outcome::kWhole,
          average(pair.treatment, values) - (has_baseline ? average(pair.baseline, values) : 0)};
}

/// The mean within each unit of what `value` gives for its pairs; NaN leaves a pair out.
template <class ValueOf>
std::map<std::int64_t, double> unit_means(const std::vector<Judged>& pairs, const ValueOf& value) {
  std::map<std::int64_t, std::vector<double>> by_unit;
  for (const Judged& pair : pairs)
    if (const double v = value(pair); !std::isnan(v)) by_unit[pair.unit].push_back(v);
  std::map<std::int64_t, double> means;
  for (const auto& [unit, values] : by_unit) means[unit] = mean(values);
  return means;
}

double mean_over_units(const std::vector<Judged>& pairs, double failed_pairs_are) {
  const auto means = unit_means(pairs, [&](const Judged& pair) {
    return pair.outcome == Outcome::kWhole    ? pair.value
           : pair.outcome == Outcome::kFailed ? failed_pairs_are
                                              : std::nan("");
  });
  std::vector<double> values;
  for (const auto& [unit, value] : means) values.push_back(value);
  return mean(values);
}

Interval worst_case(const std::vector<Judged>& pairs) {
  double low = std::nan(""), high = std::nan("");
  for (const Judged& pair : pairs)
    if (pair.outcome == Outcome::kWhole) low = std::fmin(low, pair.value), high = std::fmax(high, pair.value);
  return {mean_over_units(pairs, low), mean_over_units(pairs, high)};
}

void count_runs(const std::vector<Pair>& pairs, const RunValues& values, PairedUnits& out) {
  for (const Pair& pair : pairs)
    for (const auto* side : {&pair.treatment, &pair.baseline})
      for (const LedgerRun* run : *side) {
        const bool gone = failed(*run, values);
        out.failed_runs += gone;
        if (gone || has_value(*run, values)) continue;
        ++(run->state == RunState::kDone ? out.unmeasured_runs : out.missing_runs);
      }
}

bool named(const std::string& key, const ClaimPart& part, const Condition& each) {
  return part.treatment.contains(key) || part.baseline.contains(key) || each.contains(key);
}

}  // namespace

std::vector<Pair> pairs_of(const Rows& rows, const ClaimPart& part, const Condition& each) {
  std::vector<std::string> others;
  for (const auto& key : rows.axes)
    if (!named(key, part, each)) others.push_back(key);

  std::map<std::tuple<std::int64_t, std::int64_t, Condition>, Pair> pairs;
  for (const LedgerRun& run : rows.runs) {
    if (!holds(run.spec.settings, each)) continue;
    const bool treated = holds(run.spec.settings, part.treatment);
    if (!treated && (part.baseline.empty() || !holds(run.spec.settings, part.baseline))) continue;
    Pair& pair = pairs[{unit_of(rows, run), replicate_of(rows, run), condition_of(run.spec.settings, others)}];
    pair.unit = unit_of(rows, run);
    (treated ? pair.treatment : pair.baseline).push_back(&run);
  }
  std::vector<Pair> out;
  for (auto& [key, pair] : pairs) out.push_back(std::move(pair));
  return out;
}

PairedUnits paired_units(const std::vector<Pair>& pairs, bool has_baseline, const RunValues& values) {
  std::vector<Judged> all;
  std::map<std::int64_t, bool> seen;
  for (const Pair& pair : pairs) all.push_back(judged(pair, has_baseline, values)), seen[pair.unit] = true;

  PairedUnits out;
  const auto means =
      unit_means(all, [](const Judged& pair) { return pair.outcome == Outcome::kWhole ? pair.value : std::nan(""); });
  out.units.assign(means.begin(), means.end());
  out.left_out_units = static_cast<std::int64_t>(seen.size() - means.size());
  out.worst_case = worst_case(all);
  count_runs(pairs, values, out);
  return out;
}

}  // namespace palimpsest
