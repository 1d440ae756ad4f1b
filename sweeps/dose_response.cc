#include "sweeps/dose_response.h"

#include <algorithm>
#include <map>

#include "runtime/words.h"
#include "sweeps/claim_words.h"
#include "sweeps/condition.h"
#include "sweeps/trend.h"

namespace palimpsest {
namespace {

constexpr std::size_t kFewest = 3;   // of values, and of units

/// The parts in the order of their values; none where a value is no number, or where they are no doses of one thing.
std::vector<const PartResult*> by_dose(const ClaimResult& claim) {
  if (claim.claim.each.size() != 1 || claim.claim.parts.size() != 1) return {};
  std::map<double, const PartResult*> doses;
  for (const PartResult& part : claim.parts) {
    const auto dose = number_of(part.each.begin()->second);
    if (!dose || part.sequential) return {};
    doses[*dose] = &part;
  }
  std::vector<const PartResult*> ordered;
  for (const auto& [dose, part] : doses) ordered.push_back(part);
  return ordered;
}

/// [units, doses], of the units that every dose has.
std::vector<double> responses_of(const std::vector<const PartResult*>& doses) {
  std::map<std::int64_t, std::vector<double>> units;
  for (const PartResult* dose : doses)
    for (const auto& [unit, value] : dose->units) units[unit].push_back(value);
  std::vector<double> responses;
  for (const auto& [unit, values] : units)
    if (values.size() == doses.size()) responses.insert(responses.end(), values.begin(), values.end());
  return responses;
}

}  // namespace

std::optional<DoseTrend> dose_trend(std::span<const double> responses_UD, std::size_t doses) {
  if (doses < kFewest || responses_UD.size() < kFewest * doses) return {};
  std::vector<double> responses(responses_UD.begin(), responses_UD.end());
  const double rising = page_trend(responses, doses).p;
  for (double& response : responses) response = -response;
  const double falling = page_trend(responses, doses).p;
  return DoseTrend{rising <= falling ? "rises" : "falls", std::min(1.0, 2 * std::min(rising, falling))};
}

std::string dose_response_words(const ClaimResult& claim) {
  const auto doses = by_dose(claim);
  if (doses.empty()) return {};
  const auto responses = responses_of(doses);
  const auto trend = dose_trend(responses, doses.size());
  if (!trend) return {};
  std::vector<std::string> values;
  for (const PartResult* dose : doses) values.push_back(plain(dose->each.begin()->second));
  return trend->word + " over " + plain_key(claim.claim.each.front()) + " " + joined(values) + ": " + p_words(trend->p) + " (Page's trend test over " +
         counted(responses.size() / doses.size(), "unit") + ", two-sided, unadjusted)";
}

}  // namespace palimpsest
