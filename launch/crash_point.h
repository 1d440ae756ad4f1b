#pragma once

#include <string_view>

namespace palimpsest {

/// For tests of what survives a crash: kills this process here (SIGKILL) when PALIMPSEST_CRASH_AT names the point, "after-commit", or its n-th
/// passing, "after-commit:3".
void crash_point(std::string_view name);

}  // namespace palimpsest
