#pragma once

#include <filesystem>

namespace palimpsest {

/// From here on this rank leaves a last line in `results`/log.jsonl when it is killed by a signal that a program brings on itself (SIGSEGV, SIGABRT,
/// SIGBUS, SIGFPE, SIGILL). SIGKILL, the system's when memory runs out, leaves no time for one.
void log_last_signal(const std::filesystem::path& results, int rank);

}  // namespace palimpsest
