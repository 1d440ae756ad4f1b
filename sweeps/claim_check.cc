#include "sweeps/claim_check.h"

#include <algorithm>

#include <fmt/format.h>

#include "sweeps/condition.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kMostCells = 4096;   // looked at: what differs between conditions shows in the first

struct Answer {
  std::string mistake, warning;
};

/// Why a run of these settings has no value for a part.
Answer why_not(const ClaimPart& part, const Settings& settings, const Study& study) {
  const auto declared = study.declare(settings);
  const auto metric = std::ranges::find(declared, part.metric, &DeclaredMetric::metric);
  if (metric == declared.end()) return {{}, fmt::format("{} is not measured", part.metric)};
  if (!metric->absent.empty()) return {{}, fmt::format("{} is not measured: {}", part.metric, metric->absent)};
  std::size_t count = 1;
  for (const Axis& axis : metric->axes) count *= axis.labels.size();
  try {
    run_value(part, settings, {part.metric, metric->axes, std::vector<float>(count, 1)}, study.axis_keys);
  } catch (const InputError& error) {
    return {error.what(), {}};
  }
  return {};
}

}  // namespace

ClaimCheck check_claims(const Plan& plan) {
  const Definition& definition = plan.definition();
  ClaimCheck out;
  if (!definition.study->declare) return out;
  const std::int64_t runs = definition.image_sets * definition.seeds;
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
