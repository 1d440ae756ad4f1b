#pragma once

#include <string>
#include <vector>

#include "sweeps/verdict.h"

namespace palimpsest {

/// What a row of plots spans: zero, the smallest effect of interest, every unit and interval of the parts, with a
/// margin.
Interval plot_span(const std::vector<const PartResult*>& parts);

/// A part as a small picture (SVG): units as dots, effect and interval above them, the side the claim is on tinted, the
/// smallest effect hatched, and the worst case dashed where runs failed.
std::string part_plot(const PartResult&, Interval span, bool with_axis);

}  // namespace palimpsest
