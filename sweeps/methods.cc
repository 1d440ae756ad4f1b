#include "sweeps/methods.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "runtime/words.h"
#include "sweeps/cells.h"
#include "sweeps/claim_words.h"
#include "sweeps/condition.h"
#include "sweeps/html.h"

namespace palimpsest {
namespace {

struct Design {
  std::set<std::int64_t> units, replicates;
  std::size_t conditions = 0;
  std::set<Value> slow_weights;
};

Design design_of(const Rows& rows) {
  Design design;
  design.conditions = Cells(rows).settings.size();
  for (const LedgerRun& run : rows.runs) {
    design.units.insert(unit_of(rows, run));
    design.replicates.insert(replicate_of(rows, run));
    if (run.spec.settings.has("slow.weights")) design.slow_weights.insert(run.spec.settings.at("slow.weights"));
  }
  return design;
}

std::string paragraph(const std::string& text) { return "<p>" + text + "</p>\n"; }

std::string design_text(const ReportSource& source, const Design& design) {
  const Rows& rows = source.rows;
  const std::string replicate = rows.unit == "seed" ? "image set" : "seed";
  std::string text = fmt::format(
      "The study {}: {}. Each of {} is one of {} ({}), {} and {}.", escaped(source.study), escaped(without_full_stop(source.meaning)),
      counted(rows.runs.size(), "run"), unit_words(rows.unit, design.units.size()),
      "the units of inference", counted(design.replicates.size(), replicate),
      counted(design.conditions, "condition"));
  return text + (source.design.empty() ? "" : " " + escaped(source.design));
}

/// Of a sweep whose units grow until claims are decided.
std::string growing_text(const Rows& rows) {
  const std::string unit = escaped(plain_key(rows.unit));
  return fmt::format(
      "The statistic of a claim is computed within each run. Treatment and baseline are paired within the {0}; pairs are averaged within the {0}. "
      "The number of {0}s was not fixed: after the first {1}, {2} more were run for the claims that were open, until each was decided or {3} were "
      "reached. Effects are means over {0}s. Intervals are 95 % confidence sequences and p anytime-valid, from a sign-symmetric e-process that bets on "
      "one {0} after the other (Ramdas et al., arXiv 2009.03167; Waudby-Smith and Ramdas, 2024): they hold however often the results were looked at.",
      unit, rows.replication->min, rows.replication->batch, rows.replication->max);
}

std::string statistics_text(const Rows& rows, std::size_t units) {
  if (rows.replication) return growing_text(rows);
  const std::string unit = escaped(plain_key(rows.unit));
  const std::string flips = units <= 16 ? "over all sign patterns" : "over 10,000 drawn sign patterns";
  return fmt::format(
      "The statistic of a claim is computed within each run. Treatment and baseline are paired within the {0} on equal "
      "seed and equal values of every "
      "key that the claim does not name and that exists on both sides; pairs are averaged within the {0}, so that seeds and settings add precision "
      "but no units. Effects are means over "
      "{0}s with 95 % t intervals ({0}s minus one degrees of freedom); p is that of the two-sided sign-flip test {1}; "
      "<i>g</i> is Hedges' g of the paired "
      "differences; equivalence within the smallest effect of interest is shown by two one-sided t tests. From 20 {0}s on a BCa bootstrap interval stands "
      "beside; where replicates are complete, one that generalises over them too (random effects, each crossed with the {0}s and none nested in them; Satterthwaite's degrees of freedom).",
      unit, flips);
}

std::string verdict_text(const std::vector<ClaimResult>& claims) {
  const auto exploratory =
      std::count_if(claims.begin(), claims.end(), [](const ClaimResult& claim) { return claim.exploratory; });
  const auto planned = static_cast<std::int64_t>(claims.size()) - exploratory;
  std::string text = fmt::format(
      "A claim of several parts holds when all its parts hold: its p is the largest of theirs. One part that points "
      "the other way is enough to "
      "contradict it, at a level divided by the number of parts. p is adjusted by Holm's method over {}, so that all "
      "verdicts of supported and contradicted "
      "together are wrong in at most 5 % of sweeps without any effect. <b>Supported</b>: the claimed sign at the "
      "adjusted level. <b>Contradicted</b>: the opposite "
      "sign at the same level. <b>Negligible</b>: shown to lie within the smallest effect of interest. "
      "<b>Undecided</b>: none of these.",
      counted(planned, "claim"));
  if (exploratory > 0)
    text += fmt::format(
        " {} added after the first run was done: labelled exploratory, and adjusted among themselves by Benjamini and "
        "Hochberg's method.",
        exploratory == 1 ? "1 claim was" : std::to_string(exploratory) + " claims were");
  const auto withdrawn = std::count_if(claims.begin(), claims.end(), [](const ClaimResult& claim) { return claim.withdrawn; });
  if (withdrawn > 0)
    text += " " + counted(withdrawn, "claim") + " of these " + (withdrawn == 1 ? "was" : "were") + " taken out of the definition after the first run was done.";
  return text;
}

std::string losses_text() {
  return "Runs that failed, or whose measurement is no number, are counted and left out with their pairs, never "
         "imputed. The worst case beside a number is "
         "where its effect would lie if every pair with a failed run had taken the lowest, or the highest, value seen.";
}

std::string limits_text(const Design& design) {
  if (design.slow_weights.size() != 1) return {};
  return paragraph(
      "All runs start from one set of slow weights, so every conclusion is about that network; several sets would make "
      "it one about networks of its kind.");
}

}  // namespace

std::string methods_text(const ReportSource& source, const std::vector<ClaimResult>& claims) {
  const Design design = design_of(source.rows);
  return paragraph(design_text(source, design)) + paragraph(statistics_text(source.rows, design.units.size())) +
         paragraph(verdict_text(claims)) + paragraph(losses_text()) + limits_text(design);
}

}  // namespace palimpsest
