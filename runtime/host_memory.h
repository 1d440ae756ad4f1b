#pragma once

#include <cstdint>
#include <filesystem>

namespace palimpsest {

/// Bytes this process and others on its host may still take: what the kernel calls available, or what the control group leaves, whichever is
/// less. `root`: where proc and sys are looked for (tests).
std::uint64_t available_memory(const std::filesystem::path& root = "/");

/// Most bytes this process has held at once since it began, or since they were forgotten.
std::uint64_t peak_memory();
void forget_peak_memory();

/// Threads that begin from now on take memory from one place: one of a thread's own gives large blocks back whenever they are freed.
void share_memory_between_threads();

/// From now on large blocks that are freed stay with this process: each step asks for the same ones again, and pages fresh from the system cost
/// a sixth of a step's time.
void keep_freed_memory();

}  // namespace palimpsest
