#pragma once

namespace palimpsest {

/// SIGTERM, SIGINT, SIGHUP and SIGUSR1 (the one that mpirun hands to its ranks without killing them) ask for an orderly stop from here on: main
/// calls this before a command that runs over ranks. A second SIGINT ends the process at once.
void catch_stop_signals();

/// Whether one of them came, or request_stop was called. Cheap, from any thread.
bool stop_requested();
void request_stop();

/// A stop because the MPI launcher is gone: it takes all ranks with it.
void request_stop_without_launcher();
bool launcher_gone();

}  // namespace palimpsest
