#include "sweeps/pairing.h"

#include "sweeps/cells.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

namespace palimpsest {
namespace {

enum class Outcome { kWhole, kFailed, kIncomplete };

struct Judged {
  std::int64_t unit = 0;
  Outcome outcome = Outcome::kWhole;
  double value = 0;
};

bool failed(const LedgerRun& run, const RunValues& values) {
  const auto& value = values.of(run);
  return run.state == RunState::kFailed || (value && std::isnan(*value));
}

bool has_value(const LedgerRun& run, const RunValues& values) {
  const auto& value = values.of(run);
  const bool has_course = !values.matched() || !values.loss_of(run).x.empty();
  return run.state == RunState::kDone && value && !std::isnan(*value) && has_course;
}

double average(const std::vector<const LedgerRun*>& runs, const RunValues& values) {
  double sum = 0;
  for (const LedgerRun* run : runs) sum += *values.of(*run);
  return sum / static_cast<double>(runs.size());
}

double difference_at_equal_loss(const Pair& pair, const RunValues& values) {
  double sum = 0;
  for (const LedgerRun* one : pair.treatment)
    for (const LedgerRun* other : pair.baseline)
      sum += difference_at_equal_loss(MatchedCourse{values.change_of(*one), values.loss_of(*one)}, {values.change_of(*other), values.loss_of(*other)});
  return sum / static_cast<double>(pair.treatment.size() * pair.baseline.size());
}

Judged judged(const Pair& pair, bool has_baseline, const RunValues& values) {
  if (one_sided(pair, has_baseline)) return {pair.unit, Outcome::kIncomplete};
  const auto gone = [&](const LedgerRun* run) { return failed(*run, values); };
  const auto whole = [&](const LedgerRun* run) { return has_value(*run, values); };
  if (std::ranges::any_of(pair.treatment, gone) || std::ranges::any_of(pair.baseline, gone)) return {pair.unit, Outcome::kFailed};
  if (!std::ranges::all_of(pair.treatment, whole) || !std::ranges::all_of(pair.baseline, whole)) return {pair.unit, Outcome::kIncomplete};
  if (values.matched()) return {pair.unit, Outcome::kWhole, difference_at_equal_loss(pair, values)};
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

/// A run may be in several pairs and counts once; one that is in no whole pair is without a partner, whatever came of it.
void count_runs(const std::vector<Pair>& pairs, bool has_baseline, const RunValues& values, PairedUnits& out) {
  std::unordered_map<const LedgerRun*, bool> has_partner;
  for (const Pair& pair : pairs)
    for (const auto* side : {&pair.treatment, &pair.baseline})
      for (const LedgerRun* run : *side) has_partner[run] |= !one_sided(pair, has_baseline);
  for (const auto& [run, paired] : has_partner) {
    const bool gone = failed(*run, values);
    if (!paired) ++out.unpaired_runs;
    else if (gone) ++out.failed_runs;
    else if (!has_value(*run, values)) ++(run->state == RunState::kDone ? out.unmeasured_runs : out.missing_runs);
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

/// For each cell the places among `compared` that it is in, and whether on the treatment's side.
using Members = std::vector<std::vector<std::pair<std::size_t, bool>>>;

Members members_of(const std::vector<Compared>& compared, const Cells& cells) {
  Members members(cells.settings.size());
  for (std::size_t place = 0; place < compared.size(); ++place) {
    for (const std::size_t cell : compared[place].treatment) members[cell].emplace_back(place, true);
    for (const std::size_t cell : compared[place].baseline) members[cell].emplace_back(place, false);
  }
  return members;
}

/// A run that belongs to a pair.
struct Member {
  std::int64_t unit, replicate;
  std::size_t place;
  bool in_treatment;
  const LedgerRun* run;
  std::tuple<std::int64_t, std::int64_t, std::size_t> pair() const { return {unit, replicate, place}; }
};

}  // namespace

bool one_sided(const Pair& pair, bool has_baseline) { return pair.treatment.empty() || (has_baseline && pair.baseline.empty()); }

Cells::Cells(const Rows& rows, const std::vector<std::string>& keys) {
  std::map<Condition, std::size_t> numbers;
  std::unordered_map<const Settings::Values*, std::size_t> known;   // runs of a cell mostly share their settings
  for (const LedgerRun& run : rows.runs) {
    const auto [shared, is_first] = known.try_emplace(&run.spec.settings.values(), 0);
    if (is_first) {
      const auto [found, is_new] = numbers.try_emplace(condition_of(run.spec.settings, keys), settings.size());
      if (is_new) settings.push_back(&run.spec.settings);
      shared->second = found->second;
    }
    of.push_back(shared->second);
  }
}

std::vector<Pair> pairs_of(const Rows& rows, const Cells& cells, const ClaimPart& part, const Condition& each) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : each) keys.push_back(key);
  auto compared = compared_cells(rows, cells, part, keys);
  std::erase_if(compared, [&](const Compared& one) { return one.each != each; });
  const auto members = members_of(compared, cells);

  std::vector<Member> all;
  for (std::size_t i = 0; i < rows.runs.size(); ++i)
    for (const auto& [place, in_treatment] : members[cells.of[i]])
      all.push_back({unit_of(rows, rows.runs[i]), replicate_of(rows, rows.runs[i]), place, in_treatment, &rows.runs[i]});
  std::ranges::stable_sort(all, {}, &Member::pair);

  std::vector<Pair> out;
  for (const Member& one : all) {
    if (&one == &all.front() || one.pair() != (&one - 1)->pair()) out.push_back({one.unit, one.replicate, compared[one.place].slow_weights, {}, {}});
    (one.in_treatment ? out.back().treatment : out.back().baseline).push_back(one.run);
  }
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
  count_runs(pairs, has_baseline, values, out);
  return out;
}

}  // namespace palimpsest
