#pragma once

#include <string>
#include <vector>

#include "sweeps/rows.h"

namespace palimpsest {

/// What a reader must know before the verdicts, a sentence each: slices that are not here, units that were added or taken away after results, claims
/// that were withdrawn after them. Growth by [replicate] was planned and is none of these.
std::vector<std::string> caveats(const Rows&);

}  // namespace palimpsest
