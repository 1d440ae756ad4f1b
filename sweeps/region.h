#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sweeps/claim.h"
#include "sweeps/measurement.h"

namespace palimpsest {

/// The places of each axis of a metric that are looked at.
using Places = std::vector<std::size_t>;
using Region = std::vector<Places>;

/// The axis that a word of a definition names, "layer" or "layers". Throws InputError that lists the axes.
std::size_t axis_named(const std::string& word, const std::vector<Axis>& axes, const std::string& metric);

/// One word, or several between commas: "early", "first,middle,last". Throws InputError that lists the labels.
Places places_of_words(const Axis& axis, const std::string& words, const std::string& metric);

/// Axes that `at` does not name are taken whole.
Region region_of(const std::vector<Axis>& axes, const Selection& at, const std::string& metric);

/// Where the values of a region lie in the array, row-major.
std::vector<std::size_t> offsets_in(const std::vector<Axis>& axes, const Region& region);

/// The values of a region are none from here on: NaN.
void leave_out(Measurement&, const Selection& at);

bool names_axis(const std::string& word, const std::string& axis);

}  // namespace palimpsest
