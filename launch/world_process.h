#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "launch/rank_lines.h"

namespace palimpsest {

/// How mpirun ended, and every process it had started on this host with it.
struct WorldEnd {
  int exit_code = 0;
  int signal = 0;  // that killed mpirun; 0: none did
  bool asked_to_stop = false;
  bool hung = false;  // rank 0 was through, mpirun did not end and was killed
  std::optional<RankLoss> loss = {};   // the first rank that mpirun or srun told of
};

/// Runs mpirun to its end, and shows what its ranks write as RankLines does. A stop signal to this process becomes
/// SIGUSR1 to mpirun, which hands it to all ranks: on SIGTERM or SIGINT mpirun would kill them within half a second.
/// Once rank 0 is `through`, mpirun has some seconds to end: where a host was lost it may wait for it without end. None
/// of its processes outlives it, and it does not outlive us.
WorldEnd run_world(const std::vector<std::string>& command, Tags, const std::function<bool()>& through);

}  // namespace palimpsest
