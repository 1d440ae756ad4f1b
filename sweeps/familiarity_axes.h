#pragma once

#include "sweeps/familiarity.h"

namespace palimpsest {

/// The axes of a measurement under some settings, with their labels.
std::vector<Axis> familiarity_axes(const FamiliarityMetric& file, const MetricInfo& metric, const FamiliarityConfig&, const VitConfig& encoder);

/// Places of a metric that have no value, and why.
std::vector<DeclaredMetric::Hole> holes_of(const std::string& metric, const FamiliarityConfig& config, const VitConfig& encoder);

/// Of read_out_names() those that are measured, in this order. Throws InputError where none is left.
std::vector<std::string> measured_readouts(const FamiliarityConfig&, const VitConfig& encoder);
std::vector<Axis> loss_axes(const FamiliarityConfig&);

/// What a run of these settings measures: Study::declare.
std::vector<DeclaredMetric> declare_familiarity(const Settings&);

}  // namespace palimpsest
