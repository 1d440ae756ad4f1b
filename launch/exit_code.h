#pragma once

#include <filesystem>
#include <optional>

namespace palimpsest {

// What the ranks that `palimpsest launch` started tell it: a file, named by PALIMPSEST_EXIT_FILE, in which rank 0 writes "started", "working"
// and, at the end, its exit code. mpirun's own exit code cannot be trusted (it was seen to be 0 after a node was lost), and where it is not 0
// mpirun makes a page of noise about it.

/// Called by rank 0 when it begins.
void announce_start();

/// Called by rank 0 when work is under way that a next start would find further than this one did; only the first call counts.
void announce_work();

/// The code main returns for an outcome: as it is, or 0 where it was handed over to `launch`. The first one handed over counts.
int hand_over(int exit_code);

/// What the file says.
struct LaunchedOutcome {
  bool started = false, working = false;
  std::optional<int> exit_code;   // none: no rank lived to tell
};
LaunchedOutcome outcome_in(const std::filesystem::path& file);

}  // namespace palimpsest
