#include <fmt/core.h>

#include "launch/commands.h"
#include "launch/finding.h"
#include "launch/mpi_pairs.h"
#include "runtime/mpi_world.h"

// What `launch --check` starts on each host when it has asked them all: their network as MPI sees it. That it gets through at all was found
// out when the world began; here it is known, and what it takes is told.

namespace palimpsest {
namespace {

std::string name(const PairTrial& trial, int place) { return trial.hosts[static_cast<std::size_t>(place)].host; }

int tell_pairs(MpiWorld& world) {
  const PairTrial trial = try_pairs(world);
  if (world.rank() != 0 || trial.seconds == 0) return 0;
  const Finding finding{"network", Grade::kGood,
                        fmt::format("over MPI each two of {} hosts added up 128 KiB, in {:.1f} ms at most ({} and {})", trial.hosts.size(), trial.seconds * 1e3,
                                    name(trial, trial.slowest.first), name(trial, trial.slowest.second)),
                        {},
                        {}};
  std::fputs(findings_text({finding}).c_str(), stdout);
  return 0;
}

}  // namespace

Run add_pairs(CommandLine& command) {
  command.hide();  // for launch, not for people
  return [](MpiWorld& world) { return tell_pairs(world); };
}

}  // namespace palimpsest
