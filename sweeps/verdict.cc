#include "sweeps/verdict.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "sweeps/bootstrap.h"
#include "sweeps/cells.h"
#include "sweeps/claim_words.h"
#include "sweeps/confidence_sequence.h"
#include "sweeps/pairing.h"
#include "sweeps/run_values.h"
#include "sweeps/side_by_side.h"

namespace palimpsest {
namespace {

constexpr double kConfidence = 0.95;
constexpr std::size_t kManyRuns = 2000;   // fewer are judged by one thread
constexpr int kMostQuestions = 8;         // that are looked into together: each takes its pairs of runs

using Adjust = std::vector<double> (*)(std::span<const double>);

double sign(Direction direction) { return direction == Direction::kGreater ? 1 : -1; }
bool as_claimed(const PartResult& part) { return sign(part.part.direction) * part.effect > 0; }
bool opposite(const PartResult& part) { return sign(part.part.direction) * part.effect < 0; }

std::set<Condition> values_of_each(const Rows& rows, const Cells& cells, const Claim& claim, const ClaimPart& part) {
  std::set<Condition> found;
  for (const Compared& one : compared_cells(rows, cells, part, claim.each)) found.insert(one.each);
  return found.empty() ? std::set<Condition>{{}} : found;
}

void weigh(PartResult& result, const std::vector<double>& values) {
  result.interval = t_interval(values, kConfidence);
  result.p = sign_flip_p(values);
  result.p_equivalence = equivalence_p(values, result.part.smallest_effect);
}

void weigh_in_order(PartResult& result, const std::vector<double>& values) {
  const ConfidenceSequence sequence(values);
  result.interval = sequence.interval(kConfidence);
  result.p = sequence.p();
  result.p_equivalence = sequence.equivalence_p(result.part.smallest_effect);
}

/// Units count in their order, up to the first that still runs: which runs are through first must not choose the units.
void keep_in_order(const std::vector<Pair>& pairs, PairedUnits& paired) {
  std::int64_t end = std::numeric_limits<std::int64_t>::max();
  for (const Pair& pair : pairs)
    for (const auto* side : {&pair.treatment, &pair.baseline})
      for (const LedgerRun* run : *side)
        if (run->state == RunState::kWaiting) end = std::min(end, pair.unit);
  std::erase_if(paired.units, [&](const auto& unit) { return unit.first >= end; });
}

PairedUnits units_of(const Rows& rows, const Cells& cells, const ClaimPart& part, const Condition& each,
                     const RunValues& values) {
  const bool has_baseline = !part.baseline.empty();
  auto pairs = pairs_of(rows, cells, part, each);
  if (!rows.replication) return paired_units(pairs, has_baseline, values);
  std::erase_if(pairs, [&](const Pair& pair) { return one_sided(pair, has_baseline); });   // of another claim
  auto paired = paired_units(pairs, has_baseline, values);
  keep_in_order(pairs, paired);
  return paired;
}

PartResult part_result(const Rows& rows, const Cells& cells, const ClaimPart& part, const Condition& each,
                       const PartValues& read) {
  PartResult result;
  result.part = part;
  result.each = each;
  auto paired = units_of(rows, cells, part, each, read.values);
  std::vector<double> values;
  for (const auto& [unit, value] : paired.units) values.push_back(value);
  result.units = std::move(paired.units);
  result.effect = mean(values);
  result.sequential = rows.replication.has_value();
  result.sequential ? weigh_in_order(result, values) : weigh(result, values);
  result.g = hedges_g(values);
  if (paired.levels.size() > 1 && !result.sequential) {
    result.levels = paired.levels;
    result.crossed = crossed_random_effects(paired.crossing, paired.levels, kConfidence);
  }
  result.failed_runs = paired.failed_runs;
  result.missing_runs = paired.missing_runs;
  result.unmeasured_runs = paired.unmeasured_runs;
  result.unpaired_runs = paired.unpaired_runs;
  result.left_out_units = paired.left_out_units;
  result.worst_case = paired.worst_case;
  result.problem = read.problem;
  return result;
}

/// Parts of as many units share their resamples.
void add_bca(std::vector<ClaimResult>& results) {
  std::map<std::size_t, std::vector<PartResult*>> by_units;
  for (ClaimResult& claim : results)
    for (PartResult& part : claim.parts)
      if (!part.sequential) by_units[part.units.size()].push_back(&part);
  for (const auto& [units, parts] : by_units) {
    std::vector<double> cells;
    for (const PartResult* part : parts)
      for (const auto& [unit, value] : part->units) cells.push_back(value);
    const auto intervals = bca_intervals(cells, units, kConfidence);
    for (std::size_t i = 0; i < intervals.size(); ++i) parts[i]->bca = intervals[i];
  }
}

/// A part of a claim at one value of its `each` keys.
struct Question {
  std::size_t claim;
  const ClaimPart* part;
  Condition each;
};

std::vector<Question> questions_of(const Rows& rows, const Cells& cells) {
  std::vector<Question> all;
  for (std::size_t c = 0; c < rows.claims.size(); ++c)
    for (const ClaimPart& part : rows.claims[c].claim.parts)
      for (const Condition& each : values_of_each(rows, cells, rows.claims[c].claim, part)) all.push_back({c, &part, each});
  return all;
}

std::vector<ClaimResult> measured(const Rows& rows, const Statistics& statistics) {
  const Cells cells(rows);
  const auto questions = questions_of(rows, cells);
  std::vector<PartResult> answers(questions.size());
  side_by_side(questions.size(), rows.runs.size() < kManyRuns ? 1 : kMostQuestions, [&](std::size_t i) {
    answers[i] = part_result(rows, cells, *questions[i].part, questions[i].each, statistics.of(*questions[i].part));
  });

  std::vector<ClaimResult> results;
  for (const LedgerClaim& claim : rows.claims) {
    ClaimResult result;
    result.claim = claim.claim;
    result.exploratory = claim.exploratory;
    result.withdrawn = claim.withdrawn;
    results.push_back(std::move(result));
  }
  for (std::size_t i = 0; i < questions.size(); ++i) {
    ClaimResult& claim = results[questions[i].claim];
    claim.provisional |= answers[i].missing_runs > 0;
    claim.parts.push_back(std::move(answers[i]));
  }
  add_bca(results);
  return results;
}

/// One part of several is enough to contradict a claim or to make it negligible, so its p is multiplied by their
/// number.
double as_one_of(const ClaimResult& claim, double p) {
  return std::min(1.0, p * static_cast<double>(claim.parts.size()));
}

double p_towards_verdict(const ClaimResult& claim, const PartResult& part) {
  return opposite(part) ? as_one_of(claim, part.p) : part.p;
}

double p_of(const ClaimResult& claim) {
  double largest = 0, smallest_opposite = 1;
  for (const PartResult& part : claim.parts) {
    largest = std::max(largest, part.p);
    if (opposite(part)) smallest_opposite = std::min(smallest_opposite, as_one_of(claim, part.p));
  }
  return std::any_of(claim.parts.begin(), claim.parts.end(), opposite) ? smallest_opposite : largest;
}

double p_equivalence_of(const ClaimResult& claim) {
  double smallest = 1;
  for (const PartResult& part : claim.parts) smallest = std::min(smallest, as_one_of(claim, part.p_equivalence));
  return smallest;
}

double adjusted_as(Adjust adjust, std::vector<double> p, std::size_t claim, double p_of_part) {
  p[claim] = p_of_part;
  return adjust(p)[claim];
}

Verdict verdict_of(const PartResult& part, double alpha) {
  const bool within_smallest_effect = part.p_equivalence <= alpha;  // real perhaps, but too small to speak of its sign
  if (part.p_adjusted <= alpha && !within_smallest_effect && as_claimed(part)) return Verdict::kSupported;
  if (part.p_adjusted <= alpha && !within_smallest_effect && opposite(part)) return Verdict::kContradicted;
  if (part.p_equivalence_adjusted <= alpha) return Verdict::kNegligible;
  return Verdict::kUndecided;
}

Verdict verdict_of(const ClaimResult& claim) {
  const auto any = [&](Verdict verdict) {
    return std::any_of(claim.parts.begin(), claim.parts.end(),
                       [&](const PartResult& part) { return part.verdict == verdict; });
  };
  if (any(Verdict::kContradicted)) return Verdict::kContradicted;
  if (any(Verdict::kNegligible)) return Verdict::kNegligible;
  return any(Verdict::kUndecided) ? Verdict::kUndecided : Verdict::kSupported;
}

/// Judges the claims of one family against each other.
void decide(const std::vector<ClaimResult*>& family, Adjust adjust) {
  std::vector<double> p, p_equivalence;
  for (ClaimResult* claim : family) {
    p.push_back(claim->p = p_of(*claim));
    p_equivalence.push_back(p_equivalence_of(*claim));
  }
  const auto adjusted = adjust(p);
  for (std::size_t c = 0; c < family.size(); ++c) {
    ClaimResult& claim = *family[c];
    claim.p_adjusted = adjusted[c];
    for (PartResult& part : claim.parts) {
      part.p_adjusted = adjusted_as(adjust, p, c, p_towards_verdict(claim, part));
      part.p_equivalence_adjusted = adjusted_as(adjust, p_equivalence, c, as_one_of(claim, part.p_equivalence));
      part.verdict = verdict_of(part, claim.claim.alpha);
    }
    claim.verdict = verdict_of(claim);
  }
}

}  // namespace

std::string word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kContradicted:
      return "contradicted";
    case Verdict::kNegligible:
      return "negligible";
    case Verdict::kUndecided:
      break;
  }
  return "undecided";
}

std::vector<ClaimPart> parts_of_claims(const Rows& rows) {
  std::vector<ClaimPart> parts;
  for (const LedgerClaim& claim : rows.claims)
    parts.insert(parts.end(), claim.claim.parts.begin(), claim.claim.parts.end());
  return parts;
}

std::vector<ClaimResult> judge(const Rows& rows) {
  Statistics statistics(rows, parts_of_claims(rows));
  read_together(rows, statistics.readings());
  return judge(rows, statistics);
}

std::vector<ClaimResult> judge(const Rows& rows, const Statistics& statistics) {
  auto results = measured(rows, statistics);
  std::vector<ClaimResult*> planned, exploratory;
  for (ClaimResult& result : results) (result.exploratory ? exploratory : planned).push_back(&result);
  decide(planned, holm);
  decide(exploratory, benjamini_hochberg);
  for (ClaimResult& result : results)
    result.why = why(result, rows.unit, result.exploratory ? exploratory.size() : planned.size());
  return results;
}

}  // namespace palimpsest
