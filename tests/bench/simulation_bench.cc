// How fast the simulation is, and how busy the coordinator keeps 1,000 workers: what tests/bench/simulation.sh prints. Events a second of CPU.

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "tests/simulation.h"

namespace palimpsest {
namespace {

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void all_faults(int seeds) {
  const double begin = cpu_seconds();
  long events = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    const SimulatedEnd end = simulate({.seed = static_cast<std::uint64_t>(seed)});
    events += end.events;
    if (!end.violation.empty()) std::printf("seed %d: %s\n", seed, end.violation.c_str());
  }
  std::printf("all faults, %d small sweeps: %ld events, %.0f events/s\n", seeds, events, static_cast<double>(events) / (cpu_seconds() - begin));
}

void a_thousand_workers(int runs_each, int pack, double seconds, bool faults) {
  const double begin = cpu_seconds();
  const SimulatedEnd end = simulate({.seed = 1, .workers = 1000, .runs = 1000 * runs_each, .pack = pack, .seconds = seconds, .faults = faults});
  std::printf("1000 workers, %d uneven runs of about %.0f s each in packs of %d%s: %.1f s, %.1f %% above the ideal; %ld events, %.0f events/s%s%s\n", runs_each,
              seconds, pack, faults ? ", faults" : "", end.makespan, 100 * (end.makespan / end.ideal - 1), static_cast<long>(end.events),
              static_cast<double>(end.events) / (cpu_seconds() - begin), end.violation.empty() ? "" : ": ", end.violation.c_str());
}

}  // namespace
}  // namespace palimpsest

int main(int count, char** words) {
  palimpsest::all_faults(count > 1 ? std::atoi(words[1]) : 2000);
  for (const int runs_each : {64, 128, 512})
    for (const int pack : {1, 4, 16}) {
      palimpsest::a_thousand_workers(runs_each, pack, 1, false);
      palimpsest::a_thousand_workers(runs_each, pack, 60, true);
    }
}
