#pragma once

#include <string>
#include <vector>

namespace palimpsest {

/// How mpirun ended, and every process it had started on this host with it.
struct WorldEnd {
  int exit_code = 0;
  int signal = 0;            // that killed mpirun; 0: none did
  bool asked_to_stop = false;
};

/// Runs mpirun to its end. A stop signal to this process becomes SIGUSR1 to mpirun, which hands it to all ranks: on SIGTERM or SIGINT
/// mpirun would kill them within half a second. None of its processes outlives it, and it does not outlive us.
WorldEnd run_world(const std::vector<std::string>& mpirun_command);

}  // namespace palimpsest
