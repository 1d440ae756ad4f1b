#include "sweeps/claim_card.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "runtime/words.h"
#include "sweeps/claim_words.h"
#include "sweeps/condition.h"
#include "sweeps/dose_response.h"
#include "sweeps/html.h"
#include "sweeps/part_plot.h"

namespace palimpsest {
namespace {

constexpr std::size_t kPartsInTheOpen = 4;  // more are folded away below the one that decides

using Spans = std::map<std::string, Interval>;  // by statistic: parts that measure the same share a scale

Spans spans_of(const ClaimResult& claim) {
  std::map<std::string, std::vector<const PartResult*>> same;
  for (const PartResult& part : claim.parts) same[statistic_words(part.part)].push_back(&part);
  Spans spans;
  for (const auto& [statistic, parts] : same) spans[statistic] = plot_span(parts);
  return spans;
}

std::string dotted(const std::vector<std::string>& words) { return joined(words, " \u00b7 "); }

/// Numbers do not part from what they are of at the end of a line.
std::string kept_together(std::string html, const std::vector<std::string>& phrases) {
  for (std::string phrase : phrases) {
    const std::size_t at = html.find(phrase);
    if (at == std::string::npos) continue;
    const std::size_t size = phrase.size();
    for (std::size_t space = phrase.find(' '); space != std::string::npos; space = phrase.find(' '))
      phrase.replace(space, 1, "&nbsp;");
    html.replace(at, size, phrase);
  }
  return html;
}

std::string numbers(const PartResult& part, const std::string& unit) {
  const std::string g = std::isnan(part.g) ? "" : "<i>g</i> " + number_words(part.g);
  const std::string p = (part.verdict == Verdict::kNegligible ? "" : "adjusted ") + escaped(p_words(part));
  const std::string units = escaped(unit_words(unit, part.units.size()));
  return fmt::format(R"(<p class="numbers"><b>{}</b> <span class="ci">{}</span> <span class="small">{}</span></p>)",
                     number_words(part.effect),
                     kept_together(interval_words(part.interval), {interval_words(part.interval)}),
                     kept_together(dotted({g, p, units}), {g, p, units}));
}

/// Intervals of another kind, where the units allow them.
std::string other_intervals(const PartResult& part, const std::string& unit) {
  std::vector<std::string> words;
  if (std::isfinite(part.bca.low)) words.push_back("BCa bootstrap " + interval_words(part.bca));
  if (part.levels.size() > 1 && std::isfinite(part.crossed.interval.low)) {
    std::vector<std::string> factors = {plain_key(unit) + "s", unit == "seed" ? "image sets" : "seeds"};
    factors.push_back("slow weights");
    if (part.levels.size() == 2) factors.pop_back();
    words.push_back("over " + listed(factors) + " " + interval_words(part.crossed.interval) + ", " +
                    number_words(part.crossed.degrees_of_freedom) + " df");
  }
  return words.empty() ? "" : "<p class=\"losses\">" + escaped(dotted(words)) + "</p>";
}

std::string losses(const PartResult& part) {
  std::vector<std::string> lost;
  if (part.failed_runs > 0) {
    const std::string bound =
        part.units.empty() ? ""
                           : "; had their pairs taken the lowest or the highest value seen, the effect would lie in " +
                                 interval_words(part.worst_case);
    lost.push_back(counted(part.failed_runs, "run") + " failed or diverged" + bound);
  }
  if (part.unmeasured_runs > 0) lost.push_back(counted(part.unmeasured_runs, "run") + " did not measure it");
  if (part.missing_runs > 0) lost.push_back(counted(part.missing_runs, "run") + " still to come");
  if (part.unpaired_runs > 0) lost.push_back(counted(part.unpaired_runs, "run") + " without a partner on the other side");
  if (part.left_out_units > 0 && !part.units.empty())
    lost.push_back(counted(part.left_out_units, "unit") + " left out");
  return lost.empty() ? "" : "<p class=\"losses\">" + escaped(dotted(lost)) + "</p>";
}

std::string each_words(const ClaimResult& claim) {
  std::vector<std::string> words;
  for (const auto& key : claim.claim.each) words.push_back(plain_key(key));
  return dotted(words);
}

std::string values_words(const Condition& condition) {
  std::vector<std::string> words;
  for (const auto& [key, value] : condition) words.push_back(plain(value));
  return dotted(words);
}

/// Nothing where a claim has one part: its card says all.
std::string label(const ClaimResult& claim, const PartResult& part) {
  return claim.parts.size() == 1 ? "" : part_words(claim, part);
}

std::string row(const ClaimResult& claim, const PartResult& part, const Spans& spans, const std::string& unit,
                bool with_axis) {
  const std::string name = label(claim, part);
  std::string out = fmt::format(R"(<div class="part {}">)", word(part.verdict));
  if (!name.empty())
    out += fmt::format(R"(<p class="label"><span class="mark">{}</span> {}</p>)", verdict_icon(part.verdict),
                       escaped(name));
  if (part.units.empty()) return out + losses(part) + "</div>";
  return out + part_plot(part, spans.at(statistic_words(part.part)), with_axis) + numbers(part, unit) +
         other_intervals(part, unit) + losses(part) + "</div>";
}

/// The part that a reader should see first: the one the verdict hangs on.
const PartResult& deciding(const ClaimResult& claim) {
  const auto rank = [&](const PartResult& part) {
    return std::pair(part.verdict != claim.verdict, claim.verdict == Verdict::kContradicted ? part.p : -part.p);
  };
  return *std::min_element(claim.parts.begin(), claim.parts.end(),
                           [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

std::string mark(const PartResult& part) {
  return fmt::format(R"(<span class="{0}" title="{0}">{1}</span>)", word(part.verdict), verdict_icon(part.verdict));
}

/// All parts at a glance: a row for each statistic, a column for each value of the keys in `each`.
std::string matrix(const ClaimResult& claim) {
  std::vector<std::string> names;
  std::map<std::string, std::map<Condition, std::string>> marks;
  std::set<Condition> columns;
  for (const PartResult& part : claim.parts) {
    const std::string name = part_words_without_each(claim, part.part);
    if (!marks.contains(name)) names.push_back(name);
    marks[name][part.each] += mark(part);
    columns.insert(part.each);
  }
  std::string out = "<table class=\"matrix\">";
  if (columns.size() > 1) {
    out += "<tr><th class=\"row\">" + escaped(each_words(claim)) + "</th>";
    for (const Condition& column : columns) out += "<th>" + escaped(values_words(column)) + "</th>";
    out += "</tr>";
  }
  for (const auto& name : names) {
    out += "<tr><th class=\"row\">" + escaped(name) + "</th>";
    for (const Condition& column : columns) out += "<td>" + marks[name][column] + "</td>";
    out += "</tr>";
  }
  return out + "</table>";
}

std::string all_rows(const ClaimResult& claim, const Spans& spans, const std::string& unit) {
  std::string out;
  for (const PartResult& part : claim.parts) out += row(claim, part, spans, unit, claim.parts.size() == 1);
  return out;
}

std::string evidence(const ClaimResult& claim, const std::string& unit) {
  const Spans spans = spans_of(claim);
  const bool nothing =
      std::all_of(claim.parts.begin(), claim.parts.end(), [](const PartResult& part) { return part.units.empty(); });
  if (nothing) return losses(claim.parts.front());
  if (claim.parts.size() <= kPartsInTheOpen) return all_rows(claim, spans, unit);
  return matrix(claim) + row(claim, deciding(claim), spans, unit, true) +
         fmt::format("<details><summary>All {} parts</summary>{}</details>", claim.parts.size(),
                     all_rows(claim, spans, unit));
}

/// What is asked, said once for all parts where it is the same.
std::string question(const ClaimResult& claim) {
  const auto same = [&](auto words) {
    std::set<std::string> seen;
    for (const ClaimPart& part : claim.claim.parts) seen.insert(words(part));
    return seen.size() == 1 ? *seen.begin() : std::string();
  };
  const auto direction = [](const ClaimPart& part) {
    return std::string(part.direction == Direction::kGreater ? "> 0" : "< 0");
  };
  const std::string sign = same(direction), statistic = same(statistic_words);
  const std::string what = statistic.empty() ? std::to_string(claim.claim.parts.size()) + " statistics" : statistic;
  const std::string each = claim.claim.each.empty() ? "" : "at each " + each_words(claim);
  return dotted({what + (sign.empty() ? "" : " " + sign), same(place_words), same(contrast_words), each});
}

std::string dose_response(const ClaimResult& claim) {
  const std::string words = dose_response_words(claim);
  return words.empty() ? "" : "<p class=\"losses\">The effect " + escaped(words) + "</p>";
}

std::string badges(const ClaimResult& claim) {
  std::string out;
  if (claim.provisional) out += R"(<span class="badge">so far</span>)";
  if (claim.exploratory) out += R"(<span class="badge">exploratory</span>)";
  if (claim.withdrawn) out += R"(<span class="badge">withdrawn after results</span>)";
  return out;
}

}  // namespace

std::string verdict_icon(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "\u2713";
    case Verdict::kContradicted:
      return "\u2715";
    case Verdict::kNegligible:
      return "\u2248";
    case Verdict::kUndecided:
      break;
  }
  return "?";
}

std::string claim_card(const ClaimResult& claim, const std::string& unit, std::size_t number) {
  return fmt::format(
             R"(<article class="claim {0}" id="claim-{1}"><div class="verdict"><span class="icon" aria-hidden="true">{2}</span>)"
             R"(<span class="word">{0}</span>{3}</div>)",
             word(claim.verdict), number, verdict_icon(claim.verdict), badges(claim)) +
         fmt::format(R"(<div class="what"><h3>{}</h3><p class="why">{}</p><p class="question">{}</p></div>)",
                     escaped(claim.claim.name), kept_together(escaped(claim.why), {escaped(p_words(claim.p_adjusted))}),
                     escaped(question(claim))) +
         "<div class=\"evidence\">" + evidence(claim, unit) + dose_response(claim) + "</div></article>\n";
}

}  // namespace palimpsest
