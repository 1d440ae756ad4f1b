#include "sweeps/report.h"

#include <set>

#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "sweeps/dose_figures.h"
#include "sweeps/figure_data.h"
#include "sweeps/page.h"
#include "sweeps/report_tables.h"
#include "sweeps/svg_files.h"
#include "sweeps/vega.h"

namespace palimpsest {
namespace {

/// Two figures of one title get two file names.
void tell_apart(std::vector<Figure>& figures) {
  std::set<std::string> taken;
  for (Figure& figure : figures) {
    const std::string slug = figure.slug;
    for (int number = 2; !taken.insert(figure.slug).second; ++number) figure.slug = slug + "-" + std::to_string(number);
  }
}

std::vector<Figure> figures_of(const ReportSource& source, const FigureConditions& conditions) {
  std::vector<Figure> figures = read_figures(source.rows, conditions, source.figures, source.metrics);
  for (Figure& figure : dose_figures(source.rows, source.metrics, source.figures)) figures.push_back(std::move(figure));
  tell_apart(figures);
  return figures;
}

std::string write_figures(const std::vector<Figure>& figures, const FigureConditions& conditions,
                          const std::filesystem::path& folder) {
  std::map<std::string, nlohmann::json> specifications;
  for (const Figure& figure : figures)
    if (figure.problem.empty()) specifications[figure.slug] = standalone_spec(figure, conditions_of(figure, conditions));
  if (!specifications.empty()) prepare_folder(folder);
  return write_svg_files(specifications, folder);
}

void write_tables(const std::map<std::string, Table>& tables, const std::filesystem::path& folder) {
  prepare_folder(folder);
  for (const auto& [name, table] : tables) write_durably(folder / (name + ".csv"), csv(table));
  for (const char* name : {"claims", "conditions"}) write_durably(folder / (std::string(name) + ".md"), markdown(tables.at(name)));
}

}  // namespace

Report write_report(const ReportSource& source, const std::filesystem::path& folder, SvgFiles svg) {
  prepare_folder(folder);
  const FigureConditions conditions = figure_conditions(source.rows);
  const auto figures = figures_of(source, conditions);
  Report report;
  report.claims = judge(source.rows);
  report.page = folder / "report.html";
  write_tables(report_tables(source.rows, report.claims, figures, conditions), folder / "tables");
  report.no_svg =
      svg == SvgFiles::kWrite ? write_figures(figures, conditions, folder / "figures") : "they were not asked for";
  write_durably(report.page, page(source, report, figures, conditions));
  return report;
}

std::string report_page(const ReportSource& source) {
  const FigureConditions conditions = figure_conditions(source.rows);
  Report report;
  report.claims = judge(source.rows);
  report.no_svg = "this page is made anew whenever it is asked for";
  return page(source, report, figures_of(source, conditions), conditions);
}

}  // namespace palimpsest
