#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "runtime/words.h"
#include "sweeps/confidence_sequence.h"
#include "sweeps/plan.h"
#include "sweeps/reach.h"

namespace palimpsest {
namespace {

double smallest_p(std::int64_t units) { return std::ldexp(1.0, static_cast<int>(std::max<std::int64_t>(1 - units, -1000))); }

/// The two-sided sign-flip test over G units has 2^G flips, of which two are as extreme as any: p >= 2^(1 - G). Holm's first step
/// over m claims asks for p <= alpha / m.
std::int64_t units_needed(double alpha, std::size_t claims) {
  std::int64_t units = 2;
  while (smallest_p(units) > alpha / static_cast<double>(claims)) ++units;
  return units;
}

std::string too_few_units(const Claim& claim, std::int64_t units, const std::string& unit, std::size_t claims) {
  return fmt::format("claim \"{}\" cannot be decided with {}; at least {} are needed: the sign-flip test gives no p below {:.3g}, and alpha = {}{} asks for {:.3g}.",
                     claim.name, counted(units, unit), units_needed(claim.alpha, claims), smallest_p(units), claim.alpha,
                     claims == 1 ? "" : fmt::format(" over {} claims (Holm)", claims), claim.alpha / static_cast<double>(claims));
}

/// A sweep that grows is judged by a confidence sequence, which asks for more.
std::vector<std::string> warnings_of_growth(const Definition& definition, std::int64_t units, const std::string& unit) {
  std::vector<std::string> warnings;
  for (const Claim& claim : definition.claims)
    if (const auto needed = fewest_units(claim.alpha, definition.claims.size()); units < needed)
      warnings.push_back(fmt::format("claim \"{}\" cannot be decided with replicate.max = {} {}s; at least {} are needed for alpha = {} over {} claims.",
                                     claim.name, units, unit, needed, claim.alpha, definition.claims.size()));
  return warnings;
}

}  // namespace

std::vector<std::string> design_warnings(const Definition& definition) {
  const bool by_seed = definition.study->unit == "seed";
  const std::int64_t units = by_seed ? definition.seeds : definition.image_sets;
  std::vector<std::string> warnings = idle_exclusions(definition);
  if (definition.replication) {
    for (std::string& warning : warnings_of_growth(definition, units, by_seed ? "seed" : "image set")) warnings.push_back(std::move(warning));
    return warnings;
  }
  for (const Claim& claim : definition.claims)
    if (units < units_needed(claim.alpha, definition.claims.size()))
      warnings.push_back(too_few_units(claim, units, by_seed ? "seed" : "image set", definition.claims.size()));
  return warnings;
}

}  // namespace palimpsest
