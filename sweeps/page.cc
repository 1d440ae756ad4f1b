#include "sweeps/page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "runtime/words.h"
#include "sweeps/caveats.h"
#include "sweeps/cells.h"
#include "sweeps/claim_card.h"
#include "sweeps/claim_words.h"
#include "sweeps/condition.h"
#include "sweeps/html.h"
#include "sweeps/methods.h"
#include "sweeps/page_assets.h"
#include "sweeps/pictures.h"
#include "sweeps/report_tables.h"
#include "sweeps/vega.h"

namespace palimpsest {
namespace {

constexpr std::size_t kMostRows = 60;  // of a table that the page shows; all are in tables/

const std::vector<Verdict> kVerdicts = {Verdict::kSupported, Verdict::kContradicted, Verdict::kNegligible,
                                        Verdict::kUndecided};

struct Counts {
  std::int64_t all = 0, done = 0, failed = 0, waiting = 0;
  std::size_t units = 0, replicates = 0, conditions = 0;
};

Counts counts_of(const Rows& rows) {
  Counts counts;
  std::set<std::int64_t> units, replicates;
  for (const LedgerRun& run : rows.runs) {
    ++counts.all;
    counts.done += run.state == RunState::kDone;
    counts.failed += run.state == RunState::kFailed;
    counts.waiting += run.state == RunState::kWaiting;
    units.insert(unit_of(rows, run)), replicates.insert(replicate_of(rows, run));
  }
  counts.units = units.size(), counts.replicates = replicates.size(), counts.conditions = Cells(rows).settings.size();
  return counts;
}

std::string bold(const std::string& counted) {
  const std::size_t end = counted.find(' ');
  return "<b>" + counted.substr(0, end) + "</b>" + counted.substr(end);
}

std::string facts(const Rows& rows, const Counts& counts) {
  std::string out = bold(counted(counts.all, "run")) + ": " + std::to_string(counts.done) + " done";
  if (counts.failed > 0) out += ", <b>" + std::to_string(counts.failed) + " failed</b>";
  if (counts.waiting > 0) out += ", <b>" + std::to_string(counts.waiting) + " to come</b>";
  out += " &ensp;&middot;&ensp; " + bold(counted(counts.units, escaped(plain_key(rows.unit)))) + " &times; " +
         bold(counted(counts.replicates, rows.unit == "seed" ? "image set" : "seed")) + " &times; " +
         bold(counted(counts.conditions, "condition"));
  return "<p class=\"facts\">" + out + "</p>";
}

std::string progress(const Counts& counts) {
  if (counts.waiting == 0) return {};
  const auto share = [&](std::int64_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(counts.all); };
  return fmt::format(
      R"(<div class="progress" aria-hidden="true"><div class="done" style="width:{:.2f}%"></div><div class="failed" style="width:{:.2f}%"></div></div>)",
      share(counts.done), share(counts.failed));
}

std::string notice(const Counts& counts) {
  if (counts.all == 0)
    return "<p class=\"notice\">This sweep has no runs yet. Start it with <code>palimpsest sweep</code>, then make the "
           "report again.</p>";
  if (counts.waiting == 0) return {};
  return fmt::format(
      "<p class=\"notice\">This sweep is not finished: {} of {} to come. What follows is how things stand so far; the "
      "same "
      "<code>palimpsest sweep</code> command finishes it.</p>",
      counts.waiting == 1 ? "1" : std::to_string(counts.waiting),
      counted(counts.all, "run") + (counts.waiting == 1 ? " is" : " are"));
}

std::string caveat_notices(const Rows& rows) {
  std::string out;
  for (const std::string& caveat : caveats(rows)) out += "<p class=\"notice\">" + escaped(caveat) + "</p>";
  return out;
}

std::string tally(const std::vector<ClaimResult>& claims) {
  std::string out;
  for (Verdict verdict : kVerdicts) {
    const auto count =
        std::count_if(claims.begin(), claims.end(), [&](const ClaimResult& claim) { return claim.verdict == verdict; });
    if (count > 0)
      out += fmt::format(R"(<li class="{0}"><span class="icon" aria-hidden="true">{1}</span> {2} {0}</li>)",
                         word(verdict), verdict_icon(verdict), count);
  }
  return out.empty() ? "" : "<ul class=\"tally\">" + out + "</ul>";
}

std::string header(const ReportSource& source, const std::vector<ClaimResult>& claims) {
  const Counts counts = counts_of(source.rows);
  return "<p class=\"study\">Palimpsest &middot; " + escaped(source.study) + "</p>\n<h1>" + escaped(source.name) +
         "</h1>\n" + facts(source.rows, counts) + progress(counts) + notice(counts) + caveat_notices(source.rows) + tally(claims);
}

/// What the marks of the claims' plots mean.
std::string plot_key(const std::string& unit) {
  const auto item = [](const std::string& mark, const std::string& meaning) {
    return "<span><svg class=\"plot any\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">" + mark + "</svg>" + meaning +
           "</span>";
  };
  return "<p class=\"key\">" + item(R"(<circle class="unit" cx="12" cy="6" r="3"/>)", "one " + escaped(unit)) +
         item(R"(<line class="interval" x1="1" x2="23" y1="6" y2="6"/><circle class="effect" cx="12" cy="6" r="5"/>)",
              "effect, 95&thinsp;% interval") +
         item(R"(<rect class="smallest" width="24" height="12"/>)", "within the smallest effect of interest") +
         item(R"(<rect class="claimed" width="24" height="12" style="stroke:#dedbd2"/>)", "the side claimed") + "</p>";
}

std::string claims_section(const ReportSource& source, const std::vector<ClaimResult>& claims) {
  if (claims.empty())
    return "<p class=\"note\">The definition makes no claims. Add <code>[[claim]]</code> to it to have one judged.</p>";
  std::string out;
  std::size_t number = 0;
  for (const ClaimResult& claim : claims) out += claim_card(claim, source.rows.unit, ++number);
  return out + plot_key(plain_key(source.rows.unit));
}

std::string colour_buttons(const FigureConditions& conditions) {
  if (conditions.colours.size() < 2) return {};
  std::string out = "<div class=\"group\">";
  if (conditions.colours[0].size() == 1)
    out += "<span class=\"name\">" + escaped(plain_key(conditions.colours[0].begin()->first)) + "</span>";
  for (std::size_t c = 0; c < conditions.colours.size(); ++c)
    out += fmt::format(
        R"(<button type="button" data-colour="{}" aria-pressed="true"><span class="chip" style="background:{}"></span>{}</button>)",
        c, condition_colour(c), escaped(condition_label(conditions.colours[c])));
  return out + "</div>";
}

std::string other_buttons(const FigureConditions& conditions) {
  if (conditions.others.size() < 2) return {};
  std::string out = "<div class=\"group\">";
  if (conditions.others[0].size() == 1)
    out += "<span class=\"name\">" + escaped(plain_key(conditions.others[0].begin()->first)) + "</span>";
  for (std::size_t o = 0; o < conditions.others.size(); ++o)
    out += fmt::format(R"(<button type="button" class="choice" data-other="{}" aria-pressed="{}">{}</button>)", o,
                       o == conditions.shown_first, escaped(condition_label(conditions.others[o])));
  return out + "</div>";
}

/// Lines are told apart by their dashes where figures split an axis: the same order of dashes as in vega.cc. One line for
/// each way to split (images: familiar, novel; noise: 0.1, 0.3).
std::string line_key(const std::vector<Figure>& figures) {
  static const std::vector<std::string> kDashes = {"none", "5 3", "1.5 2.5", "8 3 2 3"};
  std::set<std::pair<std::string, std::vector<std::string>>> told;
  std::string out;
  for (const Figure& figure : figures) {
    if (!figure.problem.empty() || figure.splits.size() < 2 || !told.emplace(figure.info.split_axis, figure.splits).second) continue;
    out += "<div class=\"lines\"><span class=\"name\">" + escaped(plain_key(figure.info.split_axis)) + "</span>";
    for (std::size_t s = 0; s < figure.splits.size(); ++s)
      out += fmt::format(
          R"(<span><svg viewBox="0 0 30 8" aria-hidden="true"><line x1="0" x2="30" y1="4" y2="4" stroke="#565c65" stroke-width="2" stroke-dasharray="{}"/></svg>{}</span>)",
          kDashes[s % kDashes.size()], escaped(figure.splits[s]));
    out += "</div>";
  }
  return out;
}

std::string controls(const ReportSource& source, const std::vector<Figure>& figures,
                     const FigureConditions& conditions) {
  return "<div class=\"controls\">" + colour_buttons(conditions) + other_buttons(conditions) + line_key(figures) +
         "<div class=\"group\"><button type=\"button\" class=\"choice\" data-units aria-pressed=\"true\">thin lines: "
         "each " +
         escaped(plain_key(source.rows.unit)) + "</button></div></div>";
}

std::string fewer_units(const Figure& figure) {
  std::size_t most = 0;
  for (const FigureSeries& series : figure.series) most = std::max(most, series.units.size());
  const std::size_t drawn = drawn_units(most).size();
  return drawn == most ? "" : fmt::format("; {} of {} units drawn, mean and interval of all", drawn, most);
}

std::string figure_block(const Figure& figure, std::size_t number, bool with_svg) {
  std::string out = "<div class=\"figure\" id=\"" + figure.slug + "\"><h3>" + escaped(figure.info.title) + "</h3>";
  const std::string unit = figure.unit_of_values.empty() ? "" : ", " + escaped(figure.unit_of_values);
  const std::string thinned =
      figure.x.size() == figure.places ? "" : fmt::format("; {} of {} places drawn", figure.x.size(), figure.places);
  out += "<p class=\"metric\"><code>" + escaped(figure.info.metric) + "</code>" + unit + thinned + fewer_units(figure) + "</p>";
  if (!figure.info.caption.empty()) out += "<p class=\"caption\">" + escaped(figure.info.caption) + "</p>";
  if (!figure.problem.empty()) return out + "<p class=\"problem\">" + escaped(figure.problem) + "</p></div>\n";
  out += fmt::format("<div class=\"panels{}\">", figure.panels.size() == 1 ? " single" : "");
  for (std::size_t panel = 0; panel < figure.panels.size(); ++panel) {
    const std::string title = figure.panels[panel].empty() ? "" : "<h4>" + escaped(figure.panels[panel]) + "</h4>";
    out += fmt::format(R"(<div class="panel">{}<div class="drawing" data-figure="{}" data-panel="{}"></div></div>)",
                       title, number, panel);
  }
  out += "</div><p class=\"source\">" + std::string(with_svg ? "figures/" + figure.slug + ".svg, " : "") +
         "tables/figure-" + figure.slug + ".csv</p></div>\n";
  return out;
}

std::string figures_section(const ReportSource& source, const Report& report, const std::vector<Figure>& figures,
                            const FigureConditions& conditions) {
  if (std::ranges::all_of(figures, [](const Figure& figure) { return figure.by_dose.has_value(); })) return {};
  const bool any =
      std::any_of(figures.begin(), figures.end(), [](const Figure& figure) { return figure.problem.empty() && !figure.by_dose; });
  std::string out = "<section id=\"figures\">\n<h2>Figures</h2>\n";
  if (any) {
    out += "<p class=\"note\">Thick lines are means over " + escaped(plain_key(source.rows.unit)) +
           "s with their 95&thinsp;% t interval; thin ones are single " + escaped(plain_key(source.rows.unit)) +
           "s, averaged over seeds. Point at a line for its numbers.</p>" + controls(source, figures, conditions) +
           "<noscript><p class=\"notice\">The figures are drawn by a script in this page, which this browser does not "
           "run.</p></noscript>";
    if (!report.no_svg.empty())
      out += "<p class=\"note\">SVG files of the figures were not written: " + escaped(report.no_svg) + ".</p>";
  }
  for (std::size_t number = 0; number < figures.size(); ++number)
    if (!figures[number].by_dose) out += figure_block(figures[number], number, report.no_svg.empty());
  return out + "</section>\n";
}

std::string doses_section(const ReportSource& source, const Report& report, const std::vector<Figure>& figures) {
  const std::string unit = escaped(plain_key(source.rows.unit));
  std::string out;
  for (std::size_t number = 0; number < figures.size(); ++number)
    if (figures[number].by_dose) out += figure_block(figures[number], number, report.no_svg.empty());
  if (out.empty()) return {};
  return "<section id=\"doses\">\n<h2>Dose and response</h2>\n<p class=\"note\">What the claims read, over each key of numbers that was swept. Small points are single " +
         unit + "s, averaged over seeds; large ones their mean with its 95&thinsp;% t interval. This describes, and decides nothing.</p>" + out + "</section>\n";
}

std::string pictures_section(const ReportSource& source) {
  const Pictures pictures = pictures_of(source);
  if (pictures.shown.empty()) return {};
  std::string out =
      "<section id=\"pictures\">\n<h2>Pictures</h2>\n<p class=\"note\">From the first run of each condition that kept "
      "any.";
  if (pictures.left_out > 0)
    out += " " + counted(pictures.left_out, "more picture") + " of these runs " +
           (pictures.left_out == 1 ? "is" : "are") + " in the ledger.";
  out += "</p><div class=\"pictures\">";
  for (const Picture& picture : pictures.shown)
    out += "<figure><img src=\"" + picture.address + "\" alt=\"" + escaped(picture.title) + "\"><figcaption>" +
           escaped(picture.title) + "</figcaption></figure>\n";
  return out + "</div></section>\n";
}

struct CellHtml {
  std::string operator()(const std::string& text) const {
    return std::string("<td class=\"") + (text.size() > 28 ? "long" : "short") + "\">" + escaped(text) + "</td>";
  }
  std::string operator()(std::int64_t number) const {
    return "<td class=\"number\">" + std::to_string(number) + "</td>";
  }
  std::string operator()(double number) const { return "<td class=\"number\">" + number_words(number) + "</td>"; }
};

std::string html(const Table& table) {
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (std::size_t c = 0; c < table.columns().size(); ++c) {
    const bool number = !table.rows().empty() && !std::holds_alternative<std::string>(table.rows()[0][c]);
    out += std::string("<th") + (number ? " class=\"number\"" : "") + ">" + escaped(plain_key(table.columns()[c])) +
           "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (std::size_t r = 0; r < std::min(kMostRows, table.rows().size()); ++r) {
    out += "<tr>";
    for (const Cell& cell : table.rows()[r]) out += std::visit(CellHtml(), cell);
    out += "</tr>\n";
  }
  out += "</tbody></table></div>";
  if (table.rows().size() > kMostRows)
    out += "<p class=\"note\">The first " + std::to_string(kMostRows) + " of " + std::to_string(table.rows().size()) +
           " rows; all are in tables/.</p>";
  return out;
}

/// The claims in the columns a reader compares; tables/claims.csv has all.
Table readable_claims(const std::vector<ClaimResult>& claims) {
  Table table({"claim", "part", "verdict", "effect", "95\u2009% interval", "smallest", "g", "units", "p", "adjusted",
               "equivalence", "failed"});
  for (const ClaimResult& claim : claims)
    for (const PartResult& part : claim.parts)
      table.add({&part == &claim.parts[0] ? claim.claim.name : "", part_words(claim, part),
                 verdict_icon(part.verdict) + " " + word(part.verdict), part.effect, interval_words(part.interval),
                 part.part.smallest_effect, part.g, static_cast<std::int64_t>(part.units.size()), part.p,
                 part.p_adjusted, part.p_equivalence, part.failed_runs});
  return table;
}

std::string tables_section(const ReportSource& source, const std::vector<ClaimResult>& claims) {
  std::string out;
  if (!claims.empty()) out += "<h3>Claims, part by part</h3>" + html(readable_claims(claims));
  out += "<h3>Conditions</h3>" + html(conditions_table(source.rows));
  const Table failures = failures_table(source.rows);
  if (!failures.rows().empty()) out += "<h3 id=\"failures\">Runs that failed</h3>" + html(failures);
  return out +
         "<p class=\"note\">The folder tables/ holds these and the figures' data as CSV; <code>palimpsest "
         "export</code> writes every measurement.</p>";
}

/// Each fact with its values over the sessions that results came from, each value once.
std::map<std::string, std::vector<std::string>> by_name(const std::vector<std::map<std::string, std::string>>& provenances) {
  std::map<std::string, std::vector<std::string>> facts;
  for (const auto& session : provenances)
    for (const auto& [name, value] : session)
      if (auto& values = facts[name]; std::ranges::find(values, value) == values.end()) values.push_back(value);
  return facts;
}

std::string provenance_section(const ReportSource& source) {
  std::string out = "<dl>";
  for (const auto& [name, values] : by_name(source.provenances)) {
    out += "<dt>" + escaped(name) + "</dt>";
    for (const std::string& value : values) out += "<dd>" + escaped(value) + "</dd>";
  }
  out += "</dl>";
  if (!source.definition.empty())
    out += "<details><summary>The definition, every default written out</summary><pre>" + escaped(source.definition) +
           "</pre></details>";
  return out;
}

nlohmann::json page_data(const std::vector<Figure>& figures, const FigureConditions& conditions) {
  nlohmann::json colours = nlohmann::json::array(), drawn = nlohmann::json::array();
  for (const Condition& condition : conditions.colours) colours.push_back(condition_label(condition));
  for (const Figure& figure : figures)
    drawn.push_back(figure.problem.empty()
                        ? nlohmann::json{{"spec", panel_spec(figure, conditions_of(figure, conditions))}, {"data", compact_data(figure)}}
                        : nlohmann::json());
  return {{"colours", colours}, {"shown_first", conditions.shown_first}, {"figures", drawn}};
}

std::string scripts(const std::vector<Figure>& figures) {
  if (std::none_of(figures.begin(), figures.end(), [](const Figure& figure) { return figure.problem.empty(); }))
    return {};
  return "<script>" + std::string(vega_bundle()) + "</script>\n<script>\n" + std::string(page_script()) + "</script>";
}

/// The template with each {{slot}} filled once, so that nothing in what is filled in is taken for a slot.
std::string filled(std::string_view text, const std::map<std::string, std::string, std::less<>>& slots) {
  std::string out;
  for (std::size_t begin = 0;;) {
    const std::size_t open = text.find("{{", begin);
    out += text.substr(begin, open - begin);
    if (open == std::string_view::npos) return out;
    const std::size_t close = text.find("}}", open);
    out += slots.find(text.substr(open + 2, close - open - 2))->second;
    begin = close + 2;
  }
}

}  // namespace

std::string page(const ReportSource& source, const Report& report, const std::vector<Figure>& figures,
                 const FigureConditions& conditions) {
  return filled(page_template(), {{"title", escaped(source.name) + " \u2013 Palimpsest"},
                                  {"style", std::string(page_style())},
                                  {"header", header(source, report.claims)},
                                  {"claims", claims_section(source, report.claims)},
                                  {"figures", figures_section(source, report, figures, conditions)},
                                  {"doses", doses_section(source, report, figures)},
                                  {"pictures", pictures_section(source)},
                                  {"tables", tables_section(source, report.claims)},
                                  {"methods", methods_text(source, report.claims)},
                                  {"provenance", provenance_section(source)},
                                  {"data", json_for_page(page_data(figures, conditions))},
                                  {"scripts", scripts(figures)}});
}

}  // namespace palimpsest
