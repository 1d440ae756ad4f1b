#pragma once

#include <cstdint>

#include "sweeps/plan.h"
#include "sweeps/run_set.h"

namespace palimpsest {

/// How many runs of `left`, numbers of the plan `before`, are runs of `plan` as well, under whatever number. Both are of one study. Cells are matched by
/// their values on the axes, so no run's identity is computed: ten million of them take seconds.
std::int64_t count_common(const Plan& before, const RunSet& left, const Plan& plan);

}  // namespace palimpsest
