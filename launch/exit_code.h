#pragma once

namespace palimpsest {

/// The code main returns for an outcome. Under `palimpsest launch`, which reads it from a file (PALIMPSEST_EXIT_FILE), that is 0, so that
/// mpirun has no exit code to make a page of noise about. The first outcome handed over counts.
int hand_over(int exit_code);

}  // namespace palimpsest
