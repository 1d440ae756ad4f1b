#include "sweeps/pairing.h"

#include "sweeps/cells.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace palimpsest {
namespace {

const std::string kSlowWeights = "slow.weights";

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

struct Sum {
  double sum = 0;
  int count = 0;
};

/// The values of units x replicates x slow weights, where none is missing; what has one level is no factor.
void cross(const std::vector<Pair>& pairs, const std::vector<Judged>& judged, PairedUnits& out) {
  std::map<std::tuple<std::int64_t, std::int64_t, std::string>, Sum> cells;
  std::set<std::int64_t> units, replicates;
  std::set<std::string> slow;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (judged[i].outcome != Outcome::kWhole) continue;
    Sum& cell = cells[{pairs[i].unit, pairs[i].replicate, pairs[i].slow_weights}];
    cell.sum += judged[i].value, ++cell.count;
    units.insert(pairs[i].unit), replicates.insert(pairs[i].replicate), slow.insert(pairs[i].slow_weights);
  }
  if (cells.empty() || cells.size() != units.size() * replicates.size() * slow.size()) return;
  for (const std::size_t levels : {units.size(), replicates.size(), slow.size()})
    if (levels > 1) out.levels.push_back(levels);
  for (const auto& [place, cell] : cells) out.crossing.push_back(cell.sum / cell.count);
}

bool named(const std::string& key, const ClaimPart& part, const Condition& each) {
  return part.treatment.contains(key) || part.baseline.contains(key) || each.contains(key);
}

/// What the runs of a cell are to a part of a claim.
struct Side {
  enum Which { kNone, kTreatment, kBaseline } which = kNone;
  std::size_t others = 0;  // the values of the keys that are paired on, numbered
  std::string slow_weights;
};

Side::Which side_of(const Settings& settings, const ClaimPart& part, const Condition& each) {
  if (!holds(settings, each)) return Side::kNone;
  if (holds(settings, part.treatment)) return Side::kTreatment;
  return !part.baseline.empty() && holds(settings, part.baseline) ? Side::kBaseline : Side::kNone;
}

std::vector<Side> sides_of(const Cells& cells, const ClaimPart& part, const Condition& each,
                           const std::vector<std::string>& others) {
  const bool several = std::find(others.begin(), others.end(), kSlowWeights) != others.end();
  std::map<Condition, std::size_t> numbers;
  std::vector<Side> sides;
  for (const Settings* settings : cells.settings) {
    Side side{side_of(*settings, part, each), numbers.try_emplace(condition_of(*settings, others), numbers.size()).first->second, {}};
    if (several && settings->has(kSlowWeights)) side.slow_weights = plain(settings->at(kSlowWeights));
    sides.push_back(std::move(side));
  }
  return sides;
}

}  // namespace

Cells::Cells(const Rows& rows) {
  std::map<Condition, std::size_t> numbers;
  for (const LedgerRun& run : rows.runs) {
    const auto [found, is_new] = numbers.try_emplace(condition_of(run.spec.settings, rows.axes), settings.size());
    if (is_new) settings.push_back(&run.spec.settings);
    of.push_back(found->second);
  }
}

std::vector<Pair> pairs_of(const Rows& rows, const Cells& cells, const ClaimPart& part, const Condition& each) {
  std::vector<std::string> others;
  for (const auto& key : rows.axes)
    if (!named(key, part, each)) others.push_back(key);
  const auto sides = sides_of(cells, part, each, others);

  std::map<std::tuple<std::int64_t, std::int64_t, std::size_t>, Pair> pairs;
  for (std::size_t i = 0; i < rows.runs.size(); ++i) {
    const LedgerRun& run = rows.runs[i];
    const Side& side = sides[cells.of[i]];
    if (side.which == Side::kNone) continue;
    Pair& pair = pairs[{unit_of(rows, run), replicate_of(rows, run), side.others}];
    pair.unit = unit_of(rows, run), pair.replicate = replicate_of(rows, run);
    pair.slow_weights = side.slow_weights;
    (side.which == Side::kTreatment ? pair.treatment : pair.baseline).push_back(&run);
  }
  std::vector<Pair> out;
  for (auto& [key, pair] : pairs) out.push_back(std::move(pair));
  return out;
}

std::vector<Pair> pairs_of(const Rows& rows, const ClaimPart& part, const Condition& each) {
  return pairs_of(rows, Cells(rows), part, each);
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
  cross(pairs, all, out);
  count_runs(pairs, values, out);
  return out;
}

}  // namespace palimpsest
