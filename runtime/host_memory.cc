#include "runtime/host_memory.h"

#include <sys/types.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

extern "C" __attribute__((weak)) int mallctl(const char* name, void* old, size_t* old_length, void* value, size_t length);   // jemalloc's

namespace palimpsest {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

/// The first number of a file, or of the line of it that begins with `name`.
std::optional<std::uint64_t> number_in(const std::filesystem::path& file, const std::string& name = {}) {
  std::ifstream in(file);
  std::string word;
  std::uint64_t number = 0;
  while (!name.empty() && word != name)
    if (!(in >> word)) return std::nullopt;
  return in >> number ? std::optional(number) : std::nullopt;  // a group without a limit says "max"
}

/// Of a control group: its limit less what is taken and could not be given back (files that are only cached could).
std::uint64_t left_of(const std::filesystem::path& limit, const std::filesystem::path& used, const char* cached) {
  const auto most = number_in(limit), taken = number_in(used);
  if (!most || !taken) return kUnlimited;
  const std::uint64_t held = *taken - std::min(*taken, number_in(used.parent_path() / "memory.stat", cached).value_or(0));
  return *most > held ? *most - held : 0;
}

}  // namespace

std::uint64_t peak_memory() { return number_in("/proc/self/status", "VmHWM:").value_or(0) * 1024; }

void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

// Arenas that are there (4096: all of them), and those that will be.
void keep_freed_memory() {
  ssize_t never = -1;
  if (mallctl)
    for (const char* name : {"arena.4096.dirty_decay_ms", "arenas.dirty_decay_ms"}) mallctl(name, nullptr, nullptr, &never, sizeof never);
}

void give_back_freed_memory() {
  if (mallctl) mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

std::uint64_t available_memory(const std::filesystem::path& root) {
  const std::uint64_t kernel = number_in(root / "proc/meminfo", "MemAvailable:").value_or(kUnlimited / 1024) * 1024;
  const auto group = root / "sys/fs/cgroup";  // of this process, as containers show it: version 2, then version 1
  const std::uint64_t second = left_of(group / "memory.max", group / "memory.current", "inactive_file");
  const std::uint64_t first = left_of(group / "memory/memory.limit_in_bytes", group / "memory/memory.usage_in_bytes", "total_inactive_file");
  return std::min({kernel, first, second});
}

}  // namespace palimpsest
