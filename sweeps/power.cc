#include "sweeps/power.h"

#include <algorithm>
#include <cmath>

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/random_stream.h"
#include "sweeps/claim_words.h"
#include "sweeps/condition.h"
#include "sweeps/confidence_sequence.h"

namespace palimpsest {
namespace {

constexpr std::int64_t kMost = 1'000'000, kMostOfSequence = 20'000;
constexpr std::uint64_t kSimulated = 500;   // sweeps: the SD of a share of 0.8 is 0.018

std::vector<double> values_of(const PartResult& part) {
  std::vector<double> values;
  for (const auto& [unit, value] : part.units) values.push_back(value);
  return values;
}

double sd_of(const std::vector<double>& values) {
  if (values.size() < 3) return std::nan("");
  double squares = 0;
  for (double v : values) squares += (v - mean(values)) * (v - mean(values));
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

Interval interval_of_sd(double sd, std::size_t n) {
  if (!std::isfinite(sd)) return {std::nan(""), std::nan("")};
  const double k = static_cast<double>(n - 1);
  const boost::math::chi_squared chi(k);
  return {sd * std::sqrt(k / boost::math::quantile(chi, 0.975)), sd * std::sqrt(k / boost::math::quantile(chi, 0.025))};
}

std::vector<PartPower::Row> asked_effects(const PartResult& part, double sd, const std::vector<double>& effects) {
  std::vector<PartPower::Row> rows;
  for (double effect : effects) rows.push_back({std::abs(effect), "", {}});
  if (!rows.empty()) return rows;
  if (part.part.smallest_effect > 0) rows.push_back({part.part.smallest_effect, "smallest effect of interest", {}});
  rows.push_back({std::abs(part.effect), "as seen", {}});
  for (double share : {0.2, 0.5, 0.8}) rows.push_back({share * sd, fmt::format("{} SD", share), {}});
  return rows;
}

/// The first number of units at or after this one at which a sweep that grows is looked at.
std::optional<std::int64_t> looked_at(std::optional<std::int64_t> units, const Replication& grows) {
  if (!units || *units <= grows.min) return units ? std::optional(grows.min) : std::nullopt;
  return grows.min + (*units - grows.min + grows.batch - 1) / grows.batch * grows.batch;
}

std::vector<std::optional<std::int64_t>> units_of_row(double standardised, const std::vector<double>& powers, double alpha, const std::optional<Replication>& grows) {
  std::vector<std::optional<std::int64_t>> units;
  if (!grows)
    for (double power : powers) units.push_back(units_for(standardised, power, alpha));
  else
    for (const auto& one : units_of_sequence(standardised, powers, alpha)) units.push_back(looked_at(one, *grows));
  return units;
}

PartPower part_power(const ClaimResult& claim, const PartResult& part, std::size_t claims, const std::vector<double>& effects,
                     const std::vector<double>& powers, const std::optional<Replication>& grows) {
  const auto values = values_of(part);
  PartPower out{claim.claim.name, part_words(claim, part), static_cast<std::int64_t>(values.size()), part.effect, sd_of(values), {}, 0, {}};
  out.sd_interval = interval_of_sd(out.sd, values.size());
  out.alpha = claim.claim.alpha / static_cast<double>(std::max<std::size_t>(claims, 1));
  if (!(out.sd > 0)) return out;
  out.rows = asked_effects(part, out.sd, effects);
  for (PartPower::Row& row : out.rows) row.units = units_of_row(row.effect / out.sd, powers, out.alpha, grows);
  return out;
}

std::string units_text(const std::optional<std::int64_t>& units, bool grows) { return units ? std::to_string(*units) : fmt::format("> {}", grows ? kMostOfSequence : kMost); }

std::string head_text(const std::string& unit, const std::optional<Replication>& grows) {
  const std::string units = plain_key(unit) + "s";
  if (!grows) return fmt::format("{} needed for a verdict on an effect of its sign (two-sided, paired)\n", units);
  return fmt::format("{0} that come until a verdict on an effect of its sign, in shares of {1} simulated sweeps with normal units: they are added until claims are decided ({2}, then {3} at a\n"
                     "time; {4} at most here), and verdicts that stand up to looking cost more {0} than a number that was fixed before\n",
                     units, kSimulated, grows->min, grows->batch, grows->max);
}

std::string rows_text(const PartPower& part, const std::vector<double>& powers, bool grows) {
  std::string out = fmt::format("    {:>12}  {:28}", "effect", "");
  for (double power : powers) out += fmt::format("{:>12}", fmt::format("power {}", power));
  out += "\n";
  for (const PartPower::Row& row : part.rows) {
    out += fmt::format("    {:>12.3g}  {:28}", row.effect, row.meaning);
    for (const auto& units : row.units) out += fmt::format("{:>12}", units_text(units, grows));
    out += "\n";
  }
  return out;
}

}  // namespace

double power_of_t_test(std::int64_t n, double standardised, double alpha) {
  if (n < 2) return 0;
  const double k = static_cast<double>(n - 1);
  const double limit = boost::math::quantile(boost::math::complement(boost::math::students_t(k), alpha / 2));
  const boost::math::non_central_t shifted(k, std::abs(standardised) * std::sqrt(static_cast<double>(n)));
  return boost::math::cdf(boost::math::complement(shifted, limit));
}

std::optional<std::int64_t> units_for(double standardised, double power, double alpha) {
  std::int64_t low = std::max<std::int64_t>(2, static_cast<std::int64_t>(std::ceil(1 - std::log2(alpha)))), high = low;
  if (!(std::abs(standardised) > 0)) return std::nullopt;
  while (power_of_t_test(high, standardised, alpha) < power) {
    if (high >= kMost) return std::nullopt;
    low = high + 1, high = std::min(2 * high, kMost);
  }
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (power_of_t_test(middle, standardised, alpha) < power) low = middle + 1;
    else high = middle;
  }
  return high;
}

std::vector<std::optional<std::int64_t>> units_of_sequence(double standardised, const std::vector<double>& powers, double alpha) {
  std::vector<std::int64_t> units;   // at which each sweep had decided
  if (std::abs(standardised) > 0)
    for (std::uint64_t sweep = 0; sweep < kSimulated; ++sweep) {
      const RandomStream stream = RandomStream(0).child(purpose("power")).child(sweep);
      const auto unit = [&](std::int64_t i) { return std::abs(standardised) + stream.normal(static_cast<std::uint64_t>(i)); };
      units.push_back(units_to_decide(unit, kMostOfSequence, alpha).value_or(kMostOfSequence + 1));
    }
  std::ranges::sort(units);
  std::vector<std::optional<std::int64_t>> found;
  for (double power : powers) {
    const auto place = static_cast<std::size_t>(std::ceil(power * static_cast<double>(kSimulated))) - 1;
    found.push_back(place < units.size() && units[place] <= kMostOfSequence ? std::optional(units[place]) : std::nullopt);
  }
  return found;
}

std::vector<PartPower> power_table(const std::vector<ClaimResult>& claims, const std::vector<double>& effects, const std::vector<double>& powers,
                                   const std::optional<Replication>& grows) {
  std::vector<PartPower> out;
  for (const ClaimResult& claim : claims)
    for (const PartResult& part : claim.parts) out.push_back(part_power(claim, part, claims.size(), effects, powers, grows));
  return out;
}

std::string power_text(const std::vector<PartPower>& parts, const std::vector<double>& powers, const std::string& unit, const std::optional<Replication>& grows) {
  std::string out = head_text(unit, grows);
  for (const PartPower& part : parts) {
    if (out.find("\n" + part.claim + "\n") == std::string::npos) out += "\n" + part.claim + "\n";
    out += "  " + part.part + ": ";
    if (!(part.sd > 0)) {
      out += fmt::format("{} so far, too few (or too equal) to tell how much they vary\n", unit_words(unit, static_cast<std::size_t>(part.units)));
      continue;
    }
    out += fmt::format("SD {:.3g} over {} (95 %: {:.3g} to {:.3g}); alpha = {:.3g}\n", part.sd, unit_words(unit, static_cast<std::size_t>(part.units)),
                       part.sd_interval.low, part.sd_interval.high, part.alpha);
    out += rows_text(part, powers, grows.has_value());
  }
  return out;
}

nlohmann::json power_json(const std::vector<PartPower>& parts, const std::vector<double>& powers, const std::string& unit, const std::optional<Replication>& grows) {
  nlohmann::json out = {{"unit", unit}, {"powers", powers}, {"units_are_added", grows.has_value()}, {"parts", nlohmann::json::array()}};
  const auto number = [](double value) { return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(); };
  for (const PartPower& part : parts) {
    nlohmann::json rows = nlohmann::json::array();
    for (const PartPower::Row& row : part.rows) {
      nlohmann::json units = nlohmann::json::array();
      for (const auto& one : row.units) units.push_back(one ? nlohmann::json(*one) : nlohmann::json());
      rows.push_back({{"effect", number(row.effect)}, {"meaning", row.meaning}, {"units", units}});
    }
    out["parts"].push_back({{"claim", part.claim}, {"part", part.part}, {"units", part.units}, {"effect", number(part.effect)}, {"sd", number(part.sd)},
                            {"sd_low", number(part.sd_interval.low)}, {"sd_high", number(part.sd_interval.high)}, {"alpha", part.alpha}, {"rows", rows}});
  }
  return out;
}

}  // namespace palimpsest
