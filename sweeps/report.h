#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sweeps/rows.h"
#include "sweeps/verdict.h"

namespace palimpsest {

/// The study that a ledger is of. Throws InputError where this program has none of that name.
const Study& study_of(const Ledger&);

/// What a report is made from: a ledger's rows with what the study says of them, or rows made up by a test.
struct ReportSource {
  std::string name;            // of the sweep
  std::string study, meaning;  // of the study
  Rows rows;
  std::vector<MetricInfo> metrics;
  std::vector<FigureInfo> figures;
  std::vector<std::map<std::string, std::string>> provenances;   // of the sessions that results came from
  std::string definition;  // with every default written out
  std::function<std::vector<Attachment>(const RunId&)> attachments;
  std::string design = {};   // design_words; empty where the definition cannot be read by this program
};
/// Throws InputError where this program does not know the ledger's study. The ledger must outlive what is returned.
ReportSource report_source(const Ledger&);

struct Report {
  std::vector<ClaimResult> claims;  // as judged
  std::filesystem::path page;
  std::string no_svg;  // why figures/ holds no new SVG files; empty where it does
};

enum class SvgFiles { kWrite, kLeaveOut };  // they take most of a report's time, unless they are as they were

/// Writes `report.html` (one file that opens from disk without a network), `tables/*.csv` and, where a Python with
/// vl-convert is at hand, `figures/*.svg` and `*.pdf` into the results folder, each whole or not at all: the page first, the pictures last, of them only those
/// that are not there as they would be drawn (drawing.h). Works on a sweep that is not finished or has not begun, and says so. Throws InputError where the folder cannot be written to, Interrupted
/// where the disk is full.
Report write_report(const ReportSource&, const std::filesystem::path& folder, SvgFiles = SvgFiles::kWrite);

/// The page alone, as it stands now, and no file.
std::string report_page(const ReportSource&);

}  // namespace palimpsest
