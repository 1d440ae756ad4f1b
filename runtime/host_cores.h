#pragma once

#include <filesystem>

namespace palimpsest {

/// Processors of this host, and how many of them this process may use.
struct HostCores {
  int online = 1;    // hardware threads
  int physical = 1;  // cores; two hardware threads of one core share its arithmetic units
  int memories = 1;  // NUMA nodes
  int allowed = 1;   // hardware threads this process may run on (affinity mask: taskset, Slurm)
  double quota = 0;  // processors' time the control group gives (containers); 0: no limit
  /// Cores a computation can be given one thread each: at least 1.
  int usable() const;
};

/// `root`: where sys is looked for (tests).
HostCores host_cores(const std::filesystem::path& root = "/");

}  // namespace palimpsest
