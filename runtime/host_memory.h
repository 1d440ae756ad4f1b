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

/// From now on blocks that are freed stay with this process: each step asks for the same ones again, and pages fresh from the system cost
/// a sixth of a step's time. Both do nothing in a program that is not linked with jemalloc.
void keep_freed_memory();
/// Gives the system back what is freed by now.
void give_back_freed_memory();

}  // namespace palimpsest
