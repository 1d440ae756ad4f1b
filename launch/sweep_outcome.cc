#include "launch/sweep_outcome.h"

#include <fmt/core.h>

#include "runtime/durable_file.h"

namespace palimpsest {

void forget_outcome(const std::filesystem::path& results) {
  std::error_code absent;
  std::filesystem::remove(results / "outcome", absent);
}

void write_outcome(const std::filesystem::path& results, const SweepOutcome& end) {
  write_durably(results / "outcome", fmt::format("{}: {} of {} runs done, {} failed\n", end.complete ? "complete" : "stopped", end.done, end.total, end.failed));
}

}  // namespace palimpsest
