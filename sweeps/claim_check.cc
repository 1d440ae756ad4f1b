#include "sweeps/claim_check.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "runtime/words.h"
#include "sweeps/cells.h"
#include "sweeps/condition.h"
#include "sweeps/region.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kMostCells = 4096;   // looked at: what differs between conditions shows in the first

struct Answer {
  std::string mistake, warning;
};

/// "layer 0, readout cls_input"
std::string places(const std::map<std::string, std::string>& at) {
  std::vector<std::string> words;
  for (const auto& [axis, word] : at) words.push_back(axis + " " + word);
  return joined(words, ", ");
}

/// Why a run of these settings has no value for a part.
Answer why_not(const ClaimPart& part, const Settings& settings, const Study& study) {
  const auto declared = study.declare(settings);
  const auto metric = std::ranges::find(declared, part.metric, &DeclaredMetric::metric);
  if (metric == declared.end()) return {{}, fmt::format("{} is not measured", part.metric)};
  if (!metric->absent.empty()) return {{}, fmt::format("{} is not measured: {}", part.metric, metric->absent)};
  if (!part.matched.empty() && std::ranges::find(declared, part.matched, &DeclaredMetric::metric) == declared.end())
    return {{}, fmt::format("{}, by which it is matched, is not measured", part.matched)};
  std::size_t count = 1;
  for (const Axis& axis : metric->axes) count *= axis.labels.size();
  Measurement made_up{part.metric, metric->axes, std::vector<float>(count, 1)};
  try {
    for (const auto& hole : metric->holes) {
      leave_out(made_up, hole.at);
      if (!std::isfinite(run_value(part, settings, made_up, study.axis_keys))) return {{}, fmt::format("{} is not measured{}{}: {}", part.metric, hole.at.empty() ? "" : " at ", places(hole.at), hole.why)};
    }
    run_value(part, settings, made_up, study.axis_keys);
  } catch (const InputError& error) {
    return {error.what(), {}};
  }
  return {};
}

/// A run for each point of the grid.
Rows cells_of(const Plan& plan, std::int64_t runs_of_cell) {
  Rows rows;
  rows.axes = swept_keys(plan.definition());
  rows.when = whens_of(plan.definition());
  for (std::int64_t number = 0; number < plan.size(); number += runs_of_cell) {
    LedgerRun run;
    run.spec.settings = plan.run_at(number).settings;
    rows.runs.push_back(std::move(run));
  }
  return rows;
}

/// Points of the grid that a part names and that have nothing on the other side to be compared with. Where a sweep changes one key at a time, the baseline
/// is there for other changes too.
std::set<std::size_t> unpaired(const Rows& rows, const Cells& cells, const Claim& claim, const ClaimPart& part, bool one_at_a_time) {
  std::set<std::size_t> alone;
  if (part.baseline.empty()) return alone;
  for (const Compared& one : compared_cells(rows, cells, part, claim.each))
    if (one.treatment.empty() ? !one_at_a_time : one.baseline.empty()) {
      alone.insert(one.treatment.begin(), one.treatment.end());
      alone.insert(one.baseline.begin(), one.baseline.end());
    }
  return alone;
}

std::vector<std::string> warnings_of_pairs(const Plan& plan, std::int64_t runs_of_cell) {
  const Definition& definition = plan.definition();
  std::vector<std::string> warnings;
  if (definition.claims.empty() || plan.size() / runs_of_cell > kMostCells) return warnings;
  const Rows rows = cells_of(plan, runs_of_cell);
  const Cells cells(rows);
  const bool one_at_a_time = std::ranges::find(definition.bundles, "ablation", &Bundle::kind) != definition.bundles.end();
  for (const Claim& claim : definition.claims)
    for (const ClaimPart& part : claim.parts)
      if (const auto alone = unpaired(rows, cells, claim, part, one_at_a_time); !alone.empty())
        warnings.push_back(fmt::format("{}: the claim \"{}\" leaves {} out, which have no partner on the other side, as those with {}. Sweep the same values on both "
                                       "sides, or name them in the claim.",
                                       definition.file.string(), claim.name, counted(static_cast<std::int64_t>(alone.size()) * runs_of_cell, "run"),
                                       plain(condition_of(*cells.settings[*alone.begin()], rows.axes))));
  return warnings;
}

}  // namespace

ClaimCheck check_claims(const Plan& plan) {
  const Definition& definition = plan.definition();
  const std::int64_t runs = definition.image_sets * definition.seeds;
  ClaimCheck out;
  out.warnings = warnings_of_pairs(plan, runs);
  if (!definition.study->declare) return out;
  const auto say = [&](const Claim& claim, const std::string& what) {
    return fmt::format("{}: the claim \"{}\" cannot be judged: {}", definition.file.string(), claim.name, what);
  };
  for (const Claim& claim : definition.claims)
    for (const ClaimPart& part : claim.parts)
      for (std::int64_t cell = 0; cell < std::min(plan.size() / runs, kMostCells); ++cell) {
        const Settings settings = plan.run_at(cell * runs).settings;
        if (!holds(settings, part.treatment) && (part.baseline.empty() || !holds(settings, part.baseline))) continue;
        const Answer answer = why_not(part, settings, *definition.study);
        if (!answer.mistake.empty()) out.mistakes.push_back(say(claim, answer.mistake));
        if (!answer.warning.empty()) out.warnings.push_back(say(claim, answer.warning));
        if (!answer.mistake.empty() || !answer.warning.empty()) break;   // one run tells it
      }
  return out;
}

std::vector<std::string> warnings_of_claims(const Plan& plan) {
  ClaimCheck check = check_claims(plan);
  if (!check.mistakes.empty()) throw DefinitionError(std::move(check.mistakes));
  return check.warnings;
}

}  // namespace palimpsest
