#include "sweeps/verdict.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/error.h"
#include "sweeps/claim_words.h"
#include "sweeps/pairing.h"

namespace palimpsest {
namespace {

constexpr double kConfidence = 0.95;

struct PartValues {
  RunValues values;
  std::string problem;
};

using Adjust = std::vector<double> (*)(std::span<const double>);

double sign(Direction direction) { return direction == Direction::kGreater ? 1 : -1; }
bool as_claimed(const PartResult& part) { return sign(part.part.direction) * part.effect > 0; }
bool opposite(const PartResult& part) { return sign(part.part.direction) * part.effect < 0; }

/// The value of every run for each part, each metric being read once.
std::vector<PartValues> read_values(const Rows& rows, const std::vector<ClaimPart>& parts) {
  std::unordered_map<RunId, const LedgerRun*> runs;
  for (const LedgerRun& run : rows.runs) runs[run.spec.id] = &run;
  std::map<std::string, std::vector<std::size_t>> by_metric;
  for (std::size_t i = 0; i < parts.size(); ++i) by_metric[parts[i].metric].push_back(i);

  std::vector<PartValues> out(parts.size());
  for (const auto& [metric, members] : by_metric)
    rows.for_each_measurement(metric, [&](const RunId& id, const Measurement& measurement) {
      const auto run = runs.find(id);
      if (run == runs.end()) return;
      for (std::size_t i : members) try {
          out[i].values[id] = run_value(parts[i], run->second->spec.settings, measurement, rows.axis_keys);
        } catch (const InputError& error) {
          out[i].problem = error.what();
        }
    });
  return out;
}

std::set<Condition> values_of_each(const Rows& rows, const Claim& claim, const ClaimPart& part) {
  std::set<Condition> found;
  for (const LedgerRun& run : rows.runs)
    if (holds(run.spec.settings, part.treatment) || (!part.baseline.empty() && holds(run.spec.settings, part.baseline)))
      found.insert(condition_of(run.spec.settings, claim.each));
  return found.empty() ? std::set<Condition>{{}} : found;
}

PartResult part_result(const Rows& rows, const ClaimPart& part, const Condition& each, const PartValues& read) {
  PartResult result;
  result.part = part;
  result.each = each;
  auto paired = paired_units(pairs_of(rows, part, each), !part.baseline.empty(), read.values);
  std::vector<double> values;
  for (const auto& [unit, value] : paired.units) values.push_back(value);
  result.units = std::move(paired.units);
  result.effect = mean(values);
  result.interval = t_interval(values, kConfidence);
  result.p = sign_flip_p(values);
  result.p_equivalence = equivalence_p(values, part.smallest_effect);
  result.g = hedges_g(values);
  result.failed_runs = paired.failed_runs;
  result.missing_runs = paired.missing_runs;
  result.unmeasured_runs = paired.unmeasured_runs;
  result.left_out_units = paired.left_out_units;
  result.worst_case = paired.worst_case;
  result.problem = read.problem;
  return result;
}

std::vector<ClaimResult> measured(const Rows& rows) {
  std::vector<ClaimPart> parts;
  for (const LedgerClaim& claim : rows.claims)
    parts.insert(parts.end(), claim.claim.parts.begin(), claim.claim.parts.end());
  const auto read = read_values(rows, parts);

  std::vector<ClaimResult> results;
  auto values = read.begin();
  for (const LedgerClaim& claim : rows.claims) {
    ClaimResult result;
    result.claim = claim.claim;
    result.exploratory = claim.exploratory;
    for (const ClaimPart& part : claim.claim.parts) {
      for (const Condition& each : values_of_each(rows, claim.claim, part))
        result.parts.push_back(part_result(rows, part, each, *values));
      ++values;
    }
    for (const PartResult& part : result.parts) result.provisional |= part.missing_runs > 0;
    results.push_back(std::move(result));
  }
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

std::vector<ClaimResult> judge(const Rows& rows) {
  auto results = measured(rows);
  std::vector<ClaimResult*> planned, exploratory;
  for (ClaimResult& result : results) (result.exploratory ? exploratory : planned).push_back(&result);
  decide(planned, holm);
  decide(exploratory, benjamini_hochberg);
  for (ClaimResult& result : results)
    result.why = why(result, rows.unit, result.exploratory ? exploratory.size() : planned.size());
  return results;
}

}  // namespace palimpsest
