#pragma once

#include <string>

#include "sweeps/report.h"

namespace palimpsest {

/// How a report's numbers were made, in sentences (HTML paragraphs) that name this sweep's own counts.
std::string methods_text(const ReportSource&, const std::vector<ClaimResult>&);

}  // namespace palimpsest
