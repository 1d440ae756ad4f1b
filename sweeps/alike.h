#pragma once

#include <vector>

#include "sweeps/study.h"

namespace palimpsest {

/// Runs of a pack that go on from the same step together; `snapshots` one a run, or none where they begin.
struct Alike {
  std::vector<RunSpec> runs;
  std::vector<Snapshot> snapshots;
};

/// A pack by where its runs are: those furthest first. Without snapshots it is one.
std::vector<Alike> alike(const std::vector<RunSpec>& runs, Snapshots*);

}  // namespace palimpsest
