#pragma once

#include "sweeps/pack_notes.h"
#include "sweeps/study.h"

namespace palimpsest {

/// Measures packs of 1, 2, 4, ... of these runs (equal signature; at most all of them), each on the same first part of its work, until a pack twice
/// as large is not faster by a twentieth, or the next one would not end within `seconds` in all. Nothing of it counts.
std::vector<PackSpeed> measure_speeds(const Study&, const std::vector<RunSpec>& runs, double seconds);

}  // namespace palimpsest
