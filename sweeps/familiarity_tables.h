#pragma once

#include <vector>

#include "sweeps/study.h"

namespace palimpsest {

/// What the study declares: the keys of a run with their defaults (arXiv 2508.04988), what is measured, and the figures
/// of its report.
KeyTable familiarity_keys();
std::vector<MetricInfo> familiarity_metrics();
std::vector<FigureInfo> familiarity_figures();

}  // namespace palimpsest
