#pragma once

#include "sweeps/familiarity.h"

namespace palimpsest {

/// Checks that a run of these settings can be had, in the order in which a user would mend it, and says what it reads:
/// Study::inspect. Throws InputError.
Inputs inspect_familiarity(const Settings&, std::int64_t image_set, std::int64_t image_sets);

}  // namespace palimpsest
