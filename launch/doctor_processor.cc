#include <fmt/core.h>

#include "launch/doctor.h"
#include "launch/host_facts.h"
#include "runtime/host_cores.h"
#include "runtime/host_memory.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kLeast = 0.5, kRoomy = 1.0;  // GiB for each rank: the program and its libraries take a third of one

Finding cores_found(const HostCores& cores) {
  Finding finding{"processor",
                  Grade::kGood,
                  fmt::format("{}, {}, {}", counted(cores.physical, "core"), counted(cores.online, "hardware thread"),
                              counted(cores.memories, "NUMA node")),
                  {},
                  {}};
  if (cores.allowed < cores.online) finding.found += fmt::format("; this process may use {} threads", cores.allowed);
  if (cores.quota > 0) finding.found += fmt::format("; its control group gives {:.3g} processors' time", cores.quota);
  finding.means = fmt::format("launch starts {} here{}", counted(cores.usable(), "rank"),
                              gpus_of_host() > 0 ? ", or one for each GPU where its command computes on those" : "");
  if (cores.quota > 0 && cores.quota < cores.allowed) {
    finding.grade = Grade::kNote;
    finding.advice = "More of the machine: raise the container's CPU limit";
  }
  return finding;
}

Finding memory_found(int ranks) {
  const double free = static_cast<double>(available_memory()) / kGiB, each = free / ranks;
  Finding finding{"memory",
                  Grade::kGood,
                  fmt::format("{:.1f} GiB free", free),
                  fmt::format("{:.1f} GiB for each of {} ranks; packs are cut to fit", each, ranks),
                  {}};
  if (each < kRoomy)
    finding.grade = Grade::kNote,
    finding.advice = "Packs will be small: use fewer ranks (launch -n), or a larger memory limit";
  if (each < kLeast)
    finding.grade = Grade::kStops, finding.advice = fmt::format("Start at most {} ranks (launch -n), or free memory",
                                                                std::max(1, static_cast<int>(free / kLeast)));
  return finding;
}

}  // namespace

std::vector<Finding> examine_processor() {
  const HostCores cores = host_cores();
  return {cores_found(cores), memory_found(cores.usable())};
}

}  // namespace palimpsest
