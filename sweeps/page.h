#pragma once

#include <string>
#include <vector>

#include "sweeps/figure_data.h"
#include "sweeps/report.h"

namespace palimpsest {

/// A report as one HTML file that needs no network: claims first, then figures, pictures, tables, methods and
/// provenance.
std::string page(const ReportSource&, const Report&, const std::vector<Figure>&, const FigureConditions&);

}  // namespace palimpsest
