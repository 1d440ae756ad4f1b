#include "sweeps/report.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/log.h"
#include "runtime/words.h"
#include "sweeps/dose_figures.h"
#include "sweeps/drawing.h"
#include "sweeps/figure_data.h"
#include "sweeps/page.h"
#include "sweeps/report_tables.h"
#include "sweeps/side_by_side.h"
#include "sweeps/vega.h"

namespace palimpsest {
namespace {

constexpr int kMostTables = 4;   // that are in memory together

/// Two figures of one title get two file names.
void tell_apart(std::vector<Figure>& figures) {
  std::set<std::string> taken;
  for (Figure& figure : figures) {
    const std::string slug = figure.slug;
    for (int number = 2; !taken.insert(figure.slug).second; ++number) figure.slug = slug + "-" + std::to_string(number);
  }
}

/// What a report tells of measurements, which are gone through once.
struct Findings {
  std::vector<Figure> figures;
  std::vector<ClaimResult> claims;
};

Findings findings_of(const ReportSource& source, const FigureConditions& conditions) {
  const auto doses = dose_statistics(source.rows, source.metrics, source.figures);
  auto parts = parts_of_claims(source.rows);
  parts.insert(parts.end(), doses.begin(), doses.end());
  Statistics statistics(source.rows, parts);
  FigureReadings of_study(source.rows, conditions, source.figures, source.metrics);
  auto readings = of_study.readings();
  std::ranges::copy(statistics.readings(), std::back_inserter(readings));
  read_together(source.rows, readings);

  Findings found{of_study.figures(), judge(source.rows, statistics)};
  for (Figure& figure : dose_figures(source.rows, source.metrics, doses, statistics)) found.figures.push_back(std::move(figure));
  tell_apart(found.figures);
  return found;
}

Drawing::Specifications specifications_of(const std::vector<Figure>& figures, const FigureConditions& conditions) {
  Drawing::Specifications specifications;
  for (const Figure& figure : figures)
    if (figure.problem.empty()) specifications[figure.slug] = [&] { return standalone_spec(figure, conditions_of(figure, conditions)); };
  return specifications;
}

/// The page is there in seconds, the pictures may take a while.
void tell(const Drawing& drawing, const std::filesystem::path& page) {
  if (drawing.begun() == 0) return;
  const std::size_t left = drawing.figures() - drawing.begun();
  log().info("{} can be read; drawing {} as SVG and PDF beside it{} (--no-svg leaves them out)", page.string(), counted(drawing.begun(), "figure"),
             left == 0 ? "" : fmt::format(", {} are as they were", left));
}

/// Very many runs have tables of a hundred megabytes.
void write_tables(const std::map<std::string, std::function<Table()>>& tables, const std::filesystem::path& folder) {
  prepare_folder(folder);
  std::vector<std::string> names;
  for (const auto& [name, table] : tables) names.push_back(name);
  side_by_side(names.size(), kMostTables, [&](std::size_t i) {
    const std::string& name = names[i];
    const Table table = tables.at(name)();
    write_durably(folder / (name + ".csv"), csv(table));
    if (name == "claims" || name == "conditions") write_durably(folder / (name + ".md"), markdown(table));
  });
}

}  // namespace

Report write_report(const ReportSource& source, const std::filesystem::path& folder, SvgFiles svg) {
  prepare_folder(folder);
  const FigureConditions conditions = figure_conditions(source.rows);
  auto [figures, claims] = findings_of(source, conditions);
  Report report{std::move(claims), folder / "report.html", ""};
  Drawing drawing(svg == SvgFiles::kWrite ? specifications_of(figures, conditions) : Drawing::Specifications(), folder / "figures");
  const auto write_page = [&, &figures = figures](const std::string& no_svg) {
    report.no_svg = no_svg;
    write_durably(report.page, page(source, report, figures, conditions));
  };
  write_page(svg == SvgFiles::kWrite ? drawing.problem() : "they were not asked for");
  tell(drawing, report.page);
  write_tables(report_tables(source.rows, report.claims, figures, conditions), folder / "tables");
  if (const std::string mistake = drawing.finish(); mistake != drawing.problem()) write_page(mistake);
  return report;
}

std::string report_page(const ReportSource& source) {
  const FigureConditions conditions = figure_conditions(source.rows);
  auto [figures, claims] = findings_of(source, conditions);
  return page(source, {std::move(claims), "", "this page is made anew whenever it is asked for"}, figures, conditions);
}

}  // namespace palimpsest
