#pragma once

#include <array>
#include <string_view>

namespace palimpsest {

/// The places around write, fsync, rename, commit and send at which a test ends a process (tests/crash_point_test.cc kills at each of them).
inline constexpr std::array<std::string_view, 16> kCrashPoints = {
    "before-write",         // a file that is written whole or not at all: nothing is on disk
    "half-written",         // half of its bytes
    "before-fsync",         // all of its bytes, perhaps not on disk
    "before-rename",        // on disk, under its temporary name
    "after-rename",         // under its own name, its folder perhaps not on disk
    "after-folder-fsync",   // done
    "session-begun",        // a new coordinator has its epoch
    "before-record",        // the definition is in the transaction
    "after-record",         // the definition is committed
    "before-commit",        // entries are in the transaction
    "after-commit",         // a group with results is committed, nobody knows yet
    "before-order",         // a pack's members are committed, its order is not sent
    "after-order",          // the order is sent
    "order-received",       // a rank has a pack and has not begun
    "before-report",        // a run is computed, its report is not sent
    "inside-pack",          // its report is sent
};

extern const bool kCrashPointsArmed;
void crash_point_passed(std::string_view name);

/// Kills this process here (SIGKILL) when PALIMPSEST_CRASH_AT names the point, "after-commit", or its n-th passing, "after-commit:3". Costs a
/// look at a constant where the variable is not set.
inline void crash_point(std::string_view name) {
  if (kCrashPointsArmed) [[unlikely]] crash_point_passed(name);
}

}  // namespace palimpsest
