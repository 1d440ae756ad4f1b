#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "launch/commands.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "sweeps/caveats.h"
#include "sweeps/comparison_page.h"
#include "sweeps/comparison_table.h"
#include "sweeps/report.h"
#include "sweeps/verdict_table.h"

namespace palimpsest {
namespace {

struct Options {
  std::vector<std::filesystem::path> folders;
  std::filesystem::path out;
  bool json = false, no_svg = false, compare = false;
};

std::int64_t count(const Rows& rows, RunState state) {
  return std::count_if(rows.runs.begin(), rows.runs.end(), [&](const LedgerRun& run) { return run.state == state; });
}

bool in_colour() { return ::isatty(STDOUT_FILENO) && !std::getenv("NO_COLOR"); }

std::string as_json(const ReportSource& source, const Report& report) {
  const nlohmann::json said = {{"name", source.name},
                               {"done", count(source.rows, RunState::kDone)},
                               {"failed", count(source.rows, RunState::kFailed)},
                               {"waiting", count(source.rows, RunState::kWaiting)},
                               {"caveats", caveats(source.rows)},
                               {"claims", verdicts_json(report.claims)},
                               {"report", report.page.string()},
                               {"no_svg", report.no_svg}};
  return said.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string as_text(const ReportSource& source, const Report& report, const Options& options) {
  const std::int64_t failed = count(source.rows, RunState::kFailed), waiting = count(source.rows, RunState::kWaiting);
  std::string out = source.name + ": " + std::to_string(count(source.rows, RunState::kDone)) + " of " +
                    std::to_string(source.rows.runs.size()) + " runs done";
  if (failed > 0) out += ", " + std::to_string(failed) + " failed";
  if (waiting > 0) out += ", " + std::to_string(waiting) + " to come: verdicts are how things stand so far";
  out += "\n";
  for (const std::string& caveat : caveats(source.rows)) out += caveat + "\n";
  out += "\n";
  if (!report.claims.empty()) out += verdict_table(report.claims, source.rows.unit, in_colour()) + "\n";
  if (!report.no_svg.empty() && !options.no_svg) out += "No SVG files: " + report.no_svg + ".\n";
  return out + "report: " + report.page.string() + "\n";
}

// Two sweeps beside each other: what both measured over training and noise, statistic by statistic.
int compare_two(const Options& options) {
  if (options.folders.size() != 2) throw InputError(fmt::format("--compare takes two results folders, and {} given. Name both.", options.folders.size() == 1 ? "one was" : "more were"));
  const std::filesystem::path folder = options.out.empty() ? options.folders[0] : options.out;
  const Ledger first = Ledger::open_for_reading(options.folders[0]), second = Ledger::open_for_reading(options.folders[1]);
  const ReportSource a = report_source(first), b = report_source(second);
  const auto compared = compare(a.study + " \"" + a.name + "\"", a.rows, a.metrics, b.study + " \"" + b.name + "\"", b.rows, b.metrics);
  if (compared.empty())
    throw InputError(options.folders[0].string() + " and " + options.folders[1].string() + ": their studies, " + a.study + " and " + b.study +
                     ", have no metric over images, epoch and noise in common, so there is nothing to compare.");
  const auto file = folder / "tables" / "comparison.csv";
  prepare_folder(file.parent_path());
  write_durably(file, csv(comparison_table(compared)));
  write_durably(folder / "comparison.html", comparison_page(compared));
  std::fputs((options.json ? comparison_json(compared).dump(2) + "\n" : comparison_text(compared) + "\npage: " + (folder / "comparison.html").string() + "\ntable: " + file.string() + "\n").c_str(), stdout);
  return 0;
}

int report(const Options& options) {
  if (options.compare) return compare_two(options);
  const Ledger ledger = Ledger::open_for_reading(options.folders);
  const ReportSource source = report_source(ledger);
  const Report made = write_report(source, options.out.empty() ? options.folders.front() : options.out, options.no_svg ? SvgFiles::kLeaveOut : SvgFiles::kWrite);
  std::fputs((options.json ? as_json(source, made) : as_text(source, made, options)).c_str(), stdout);
  return 0;
}

}  // namespace

Run add_report(CommandLine& command) {
  auto options = std::make_shared<Options>();
  command.add_option("DIR", options->folders, "results folder of a sweep, finished or not; several: slices of one sweep, read as one")->required();
  command.add_option("--out", options->out, "folder for report.html, figures and tables; without it the (first) DIR")->type_name("DIR");
  command.add_flag("--compare", options->compare, "two sweeps beside each other, such as the network and the circuit: what both measured, statistic by statistic");
  command.add_flag("--json", options->json, "the verdicts as JSON");
  command.add_flag("--no-svg", options->no_svg, "leave figures/*.svg out: quicker");
  return [options](MpiWorld&) { return report(*options); };
}

}  // namespace palimpsest
