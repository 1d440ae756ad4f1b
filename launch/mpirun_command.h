#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace palimpsest {

/// What `launch` was asked for.
struct LaunchRequest {
  int ranks = 1;
  std::filesystem::path hosts;          // an mpirun hostfile; empty: this host
  int restarts = 3;
  std::vector<std::string> command;     // of ours, with its arguments
};

/// The mpirun this program was built with (Open MPI), and the flags it wants.
struct MpirunAtHand {
  std::filesystem::path mpirun;
  std::string prefix;                   // where it is installed, for ranks on other hosts and for libraries; empty: the system knows
  bool root = false;                    // mpirun refuses root unless told otherwise
};

std::vector<std::string> mpirun_command(const MpirunAtHand&, const LaunchRequest&, const std::filesystem::path& program);

}  // namespace palimpsest
