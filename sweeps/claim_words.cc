#include "sweeps/claim_words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/words.h"
#include "sweeps/condition.h"
#include "sweeps/confidence_sequence.h"

namespace palimpsest {
namespace {

const std::string kMinus = "\u2212";

std::size_t on_claimed_side(const PartResult& part) {
  const bool greater = part.part.direction == Direction::kGreater;
  return static_cast<std::size_t>(std::count_if(part.units.begin(), part.units.end(), [&](const auto& unit) {
    return greater ? unit.second > 0 : unit.second < 0;
  }));
}

std::string sides(const PartResult& part, std::size_t count, const std::string& unit) {
  return std::to_string(count) + " of " + unit_words(unit, part.units.size());
}

const PartResult& weakest(const ClaimResult& claim) {
  return *std::max_element(claim.parts.begin(), claim.parts.end(),
                           [](const auto& a, const auto& b) { return a.p < b.p; });
}

const PartResult& clearest(const ClaimResult& claim, Verdict verdict) {
  const auto rank = [&](const PartResult& part) {
    return part.verdict != verdict ? 2 : verdict == Verdict::kNegligible ? part.p_equivalence : part.p;
  };
  return *std::min_element(claim.parts.begin(), claim.parts.end(),
                           [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

const PartResult& most_open(const ClaimResult& claim) {
  const auto rank = [](const PartResult& part) { return part.verdict == Verdict::kUndecided ? part.p : -1; };
  return *std::max_element(claim.parts.begin(), claim.parts.end(),
                           [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

std::size_t parts_with(const ClaimResult& claim, Verdict verdict) {
  return static_cast<std::size_t>(std::count_if(claim.parts.begin(), claim.parts.end(),
                                                [&](const PartResult& part) { return part.verdict == verdict; }));
}

std::string correction(const ClaimResult& claim, std::size_t claims) {
  const std::string which = claim.exploratory ? "exploratory claim" : "claim";
  return claims > 1 ? " after correction for " + counted(claims, which) : "";
}

std::string supported(const ClaimResult& claim, const std::string& unit, std::size_t claims) {
  const PartResult& part = weakest(claim);
  const std::string p = p_words(claim.p_adjusted) + correction(claim, claims);
  if (claim.parts.size() == 1)
    return "The effect has the claimed sign in " + sides(part, on_claimed_side(part), unit) + "; " + p + ".";
  return "All " + std::to_string(claim.parts.size()) + " parts hold; the weakest is " + part_words(claim, part) +
         ", with " + p + ".";
}

std::string contradicted(const ClaimResult& claim, const std::string& unit, std::size_t claims) {
  const PartResult& part = clearest(claim, Verdict::kContradicted);
  const std::string where = sides(part, part.units.size() - on_claimed_side(part), unit) + "; " +
                            p_words(claim.p_adjusted) + correction(claim, claims);
  if (claim.parts.size() == 1) return "The effect points the other way in " + where + ".";
  const std::size_t count = parts_with(claim, Verdict::kContradicted);
  return std::to_string(count) + " of " + std::to_string(claim.parts.size()) + " parts point" +
         (count == 1 ? "s" : "") + " the other way; the clearest is " + part_words(claim, part) + ", in " + where + ".";
}

std::string negligible(const ClaimResult& claim) {
  const PartResult& part = clearest(claim, Verdict::kNegligible);
  const std::string effect = claim.parts.size() == 1 ? "The effect" : "The effect of " + part_words(claim, part);
  return effect + " is shown to lie within \u00b1" + number_words(part.part.smallest_effect) +
         ", the smallest effect of interest (equivalence test: " + p_words(part.p_equivalence_adjusted) + ").";
}

bool too_few_units(const PartResult& part, std::size_t claims, double alpha) {
  return part.units.size() <= 16 &&
         std::ldexp(static_cast<double>(claims), 1 - static_cast<int>(part.units.size())) > alpha;
}

std::string why_part_is_open(const ClaimResult& claim, const PartResult& part, const std::string& unit,
                             std::size_t claims) {
  const double alpha = claim.claim.alpha, smallest = part.part.smallest_effect;
  if (part.sequential && static_cast<std::int64_t>(part.units.size()) < fewest_units(alpha, claims))
    return "with " + unit_words(unit, part.units.size()) + " nothing can be decided yet; at least " +
           std::to_string(fewest_units(alpha, claims)) + " are needed";
  if (!part.sequential && too_few_units(part, claims, alpha))
    return "with " + unit_words(unit, part.units.size()) + " no sign-flip p below " +
           number_words(std::ldexp(1.0, 1 - static_cast<int>(part.units.size()))) + " is possible; more are needed";
  if (part.p_adjusted <= alpha)
    return "the sign is clear, but the effect may well be smaller than " + number_words(smallest) +
           ", the smallest of interest";
  if (part.p <= alpha) return p_words(part.p) + " alone, but " + p_words(part.p_adjusted) + correction(claim, claims);
  const std::string reach =
      smallest > 0 ? " and reaches beyond \u00b1" + number_words(smallest) + ", the smallest effect of interest" : "";
  const bool within = smallest > 0 && part.interval.low > -smallest && part.interval.high < smallest;
  return "the interval " + interval_words(part.interval) + " does not clear zero (" + p_words(part.p) + ")" +
         (within ? "" : reach);
}

std::string sentence(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text.ends_with('.') ? text : text + ".";
}

std::string undecided(const ClaimResult& claim, const std::string& unit, std::size_t claims) {
  if (claim.parts.size() == 1) return sentence(why_part_is_open(claim, claim.parts[0], unit, claims));
  const PartResult& part = most_open(claim);
  return std::to_string(parts_with(claim, Verdict::kSupported)) + " of " + std::to_string(claim.parts.size()) +
         " parts hold; open is " + part_words(claim, part) + ": " + why_part_is_open(claim, part, unit, claims) + ".";
}

/// What keeps a part from having any unit; empty where nothing does.
std::string why_no_units(const PartResult& part) {
  if (!part.units.empty()) return {};
  if (!part.problem.empty()) return "it cannot be computed: " + part.problem;
  if (part.failed_runs > 0)
    return "no pair is whole: " + counted(part.failed_runs, "run") + " failed" +
           (part.missing_runs > 0 ? " and " + counted(part.missing_runs, "run") + " not done yet" : "");
  if (part.unmeasured_runs > 0)
    return counted(part.unmeasured_runs, "run") + " did not measure " + part.part.metric +
           (part.missing_runs > 0 ? ", and " + counted(part.missing_runs, "run") + " are not done yet" : "");
  if (part.missing_runs > 0)
    return "none of its runs is done yet (" + counted(part.missing_runs, "run") + " to come)";
  if (part.unpaired_runs > 0)
    return counted(part.unpaired_runs, "run") + " of its treatment or baseline " + (part.unpaired_runs == 1 ? "has" : "have") +
           " no run on the other side with equal seed and keys";
  return "no run of this sweep matches its treatment" + std::string(part.part.baseline.empty() ? "" : " and baseline");
}

std::string what_is_missing(const ClaimResult& claim) {
  for (const PartResult& part : claim.parts)
    if (std::string why = why_no_units(part); !why.empty())
      return sentence(claim.parts.size() == 1 ? why : "part " + part_words(claim, part) + ": " + why);
  return {};
}

/// "images familiar" and "images novel" become "images familiar − novel".
std::string with_minus(const std::string& axis, const std::string& at, const Selection& minus) {
  const auto other = minus.find(axis);
  return axis + " " + at + (other == minus.end() ? "" : " " + kMinus + " " + other->second);
}

std::string side_words(const Condition& side, const Condition& other) {
  std::string out;
  for (const auto& [key, value] : side) {
    const bool shared = other.contains(key);
    (out += out.empty() ? "" : ", ") += shared ? plain(value) : plain_key(key) + " " + plain(value);
  }
  return out;
}

bool same_keys(const Condition& a, const Condition& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) { return x.first == y.first; });
}

}  // namespace

std::string unit_words(const std::string& unit, std::size_t count) {
  return counted(count, plain_key(unit));
}

std::string number_words(double value) {
  if (std::isnan(value)) return "\u2013";
  if (std::isinf(value)) return value < 0 ? kMinus + "\u221e" : "\u221e";
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", std::abs(value));
  return (value < 0 ? kMinus : "") + short_exponent(text);
}

std::string interval_words(const Interval& interval) {
  return "[" + number_words(interval.low) + ", " + number_words(interval.high) + "]";
}

std::string p_words(const ClaimResult& claim) {
  if (claim.verdict != Verdict::kNegligible) return p_words(claim.p_adjusted);
  return "equivalence " + p_words(clearest(claim, Verdict::kNegligible).p_equivalence_adjusted);
}

std::string p_words(const PartResult& part) {
  return part.verdict == Verdict::kNegligible ? "equivalence " + p_words(part.p_equivalence_adjusted) : p_words(part.p_adjusted);
}

std::string p_words(double p) {
  if (p < 0.001) return "p < 0.001";
  char text[32];
  std::snprintf(text, sizeof text, "p = %.2g", p);
  return text;
}

std::string statistic_words(const ClaimPart& part) {
  if (!part.trend_axis.empty()) return "slope of " + part.metric + " over " + part.trend_axis;
  if (part.change_axis.empty()) return part.metric;
  return (part.log_ratio ? "log-ratio of " : "change of ") + part.metric + ", " + part.change_axis + " " +
         part.change_from + " to " + part.change_to + (part.matched.empty() ? "" : ", at equal " + part.matched);
}

std::string place_words(const ClaimPart& part) {
  std::string out;
  const auto add = [&](const std::string& words) { (out += out.empty() ? "" : ", ") += words; };
  for (const auto& [axis, word] : part.at) add(with_minus(axis, word, part.minus));
  for (const auto& [axis, word] : part.minus)
    if (!part.at.contains(axis)) add("minus " + axis + " " + word);
  return out;
}

std::string contrast_words(const ClaimPart& part) {
  if (part.baseline.empty()) return plain(part.treatment);
  if (part.treatment.size() == 1 && same_keys(part.treatment, part.baseline)) {
    const auto& [key, value] = *part.treatment.begin();
    return plain_key(key) + " " + plain(value) + " " + kMinus + " " + plain(part.baseline.at(key));
  }
  if (same_keys(part.treatment, part.baseline))
    return "(" + plain(part.treatment) + ") " + kMinus + " (" + side_words(part.baseline, part.treatment) + ")";
  return "(" + plain(part.treatment) + ") " + kMinus + " (" + plain(part.baseline) + ")";
}

std::string part_words_without_each(const ClaimResult& claim, const ClaimPart& part) {
  const auto shared = [&](auto words) {
    return std::count_if(claim.claim.parts.begin(), claim.claim.parts.end(),
                         [&](const ClaimPart& other) { return words(other) == words(part); }) > 1;
  };
  if (!shared([](const ClaimPart& one) { return one.metric; })) return part.metric;
  if (!shared(statistic_words)) return statistic_words(part);
  return statistic_words(part) + " (" + place_words(part) + ")";
}

std::string part_words(const ClaimResult& claim, const PartResult& part) {
  return part_words_without_each(claim, part.part) + (part.each.empty() ? "" : ", " + plain(part.each));
}

std::string why(const ClaimResult& claim, const std::string& unit, std::size_t claims) {
  if (std::string missing = what_is_missing(claim); !missing.empty()) return missing;
  switch (claim.verdict) {
    case Verdict::kSupported:
      return supported(claim, unit, claims);
    case Verdict::kContradicted:
      return contradicted(claim, unit, claims);
    case Verdict::kNegligible:
      return negligible(claim);
    case Verdict::kUndecided:
      break;
  }
  return undecided(claim, unit, claims);
}

}  // namespace palimpsest
