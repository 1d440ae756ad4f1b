#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace palimpsest {

/// A process among all there were: the host, its number there, and when it was started (so that a number used again is told apart).
struct ProcessIdentity {
  std::string host;
  std::int64_t pid = 0;
  std::uint64_t born = 0;   // clock ticks since the host was booted
  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity this_process();
/// What this program is to be started by again: the script around it where there is one (PALIMPSEST_SELF, set by the bundle), else its file.
std::filesystem::path own_program();
/// Whether a process of this host is still there and no zombie.
bool alive(const ProcessIdentity&);

}  // namespace palimpsest
