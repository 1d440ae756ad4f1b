#pragma once

#include <chrono>

namespace palimpsest {

/// Seconds since 1970, by the clock of the wall: what ledgers and event files note.
inline double unix_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace palimpsest
