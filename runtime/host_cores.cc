#include "runtime/host_cores.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace palimpsest {
namespace {

std::string first_line(const std::filesystem::path& file) {
  std::string line;
  std::getline(std::ifstream(file), line);
  return line;
}

// Entries of a folder named STEM and a number.
std::vector<std::filesystem::path> numbered(const std::filesystem::path& folder, const std::string& stem) {
  std::vector<std::filesystem::path> found;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    const std::string name = entry.path().filename();
    if (name.size() > stem.size() && name.starts_with(stem) &&
        name.find_first_not_of("0123456789", stem.size()) == std::string::npos)
      found.push_back(entry.path());
  }
  return found;
}

int cores_with_siblings(const std::filesystem::path& root, int otherwise) {
  std::set<std::string> siblings;
  for (const auto& processor : numbered(root / "sys/devices/system/cpu", "cpu"))
    if (const std::string list = first_line(processor / "topology/thread_siblings_list"); !list.empty())
      siblings.insert(list);
  return siblings.empty() ? otherwise : static_cast<int>(siblings.size());
}

int in_affinity_mask(int otherwise) {
  cpu_set_t mask;
  return sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : otherwise;
}

// Version 2 says "MICROSECONDS PERIOD" or "max PERIOD", version 1 has a file for each, -1 for no limit.
double quota_of_group(const std::filesystem::path& root) {
  double quota = 0, period = 0;
  if (std::ifstream second(root / "sys/fs/cgroup/cpu.max"); second >> quota >> period && period > 0)
    return quota / period;
  std::ifstream first(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us"), every(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us");
  return first >> quota && every >> period && quota > 0 && period > 0 ? quota / period : 0;
}

}  // namespace

int HostCores::usable() const {
  const double share =
      static_cast<double>(allowed) * physical / std::max(online, 1);  // of the cores, two threads being one
  const int cores = std::max(1, static_cast<int>(std::lround(share)));
  return quota > 0 ? std::clamp(static_cast<int>(quota), 1, cores) : cores;
}

HostCores host_cores(const std::filesystem::path& root) {
  HostCores cores;
  cores.online = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  cores.physical = cores_with_siblings(root, cores.online);
  cores.memories = std::max<int>(1, static_cast<int>(numbered(root / "sys/devices/system/node", "node").size()));
  cores.allowed = in_affinity_mask(cores.online);
  cores.quota = quota_of_group(root);
  return cores;
}

}  // namespace palimpsest
