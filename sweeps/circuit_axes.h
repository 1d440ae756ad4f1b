#pragma once

#include "sweeps/circuit.h"

namespace palimpsest {

/// The axes of a measurement of the circuit under some settings, with their labels. What is a change since the first measured
/// epoch has no place for it, and what compares noisy with clean none for the clean images.
std::vector<Axis> circuit_axes(const MetricInfo&, const CircuitStudyConfig&);

/// What a run of these settings measures: Study::declare.
std::vector<DeclaredMetric> declare_circuit(const Settings&);

}  // namespace palimpsest
