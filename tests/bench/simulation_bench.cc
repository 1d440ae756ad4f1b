// How fast the simulation is, and how busy the coordinator keeps 1,000 workers: what tests/bench/simulation.sh prints.

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/simulation.h"

int main(int count, char** words) {
  using namespace palimpsest;
  using Clock = std::chrono::steady_clock;
  const int seeds = count > 1 ? std::atoi(words[1]) : 2000;
  const auto seconds_since = [](Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  auto begin = Clock::now();
  long events = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    const SimulatedEnd end = simulate({.seed = static_cast<std::uint64_t>(seed)});
    events += end.events;
    if (!end.violation.empty()) std::printf("seed %d: %s\n", seed, end.violation.c_str());
  }
  std::printf("all faults, %d seeds: %ld events, %.0f events/s\n", seeds, events, static_cast<double>(events) / seconds_since(begin));
  for (const int pack : {1, 4}) {
    begin = Clock::now();
    const SimulatedEnd end = simulate({.seed = 1, .workers = 1000, .runs = 512'000, .pack = pack, .faults = false});
    std::printf("1000 workers, 512000 uneven runs in packs of %d: %.1f s, %.1f %% above the ideal; %ld events, %.0f events/s\n", pack, end.makespan,
                100 * (end.makespan / end.ideal - 1), static_cast<long>(end.events), static_cast<double>(end.events) / seconds_since(begin));
  }
}
