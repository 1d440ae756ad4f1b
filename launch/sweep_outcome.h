#pragma once

#include <cstdint>
#include <filesystem>

namespace palimpsest {

// One line in the results folder, `outcome`, written when a sweep has ended and gone while it runs: what a script can wait for.
//   complete: 44 of 44 runs done, 0 failed
//   stopped: 12 of 44 runs done, 0 failed

struct SweepOutcome {
  bool complete = false;   // nothing is left to do
  std::int64_t total = 0, done = 0, failed = 0;
};

void forget_outcome(const std::filesystem::path& results);
void write_outcome(const std::filesystem::path& results, const SweepOutcome&);

}  // namespace palimpsest
