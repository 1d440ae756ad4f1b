#include "sweeps/throughput.h"

#include <chrono>

#include "runtime/error.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kGrowth = 1.05;          // a larger pack must be faster by that
constexpr double kFirstSeconds = 0.5;     // how long one run alone is watched; the larger packs on the same part of the work

struct Watched {
  double share = 0, seconds = 0;          // of its work, from its first sign of progress on
};

// Watches a pack until `enough` of it is done; its beginning, where all is made and read, is not counted.
Watched watch(const Study& study, const std::vector<RunSpec>& runs, const std::function<bool(const Watched&)>& enough) {
  std::optional<double> first;
  Clock::time_point began;
  Watched seen;
  PackContext context;
  context.report = [](const RunResult&) {};
  context.should_stop = [&] { return first && enough(seen); };
  context.progress = [&](double share) {
    if (!first) first = share, began = Clock::now();
    seen = {share - *first, std::chrono::duration<double>(Clock::now() - began).count()};
  };
  try {
    study.run_pack(runs, context);
  } catch (const Interrupted&) {
  }
  return seen;
}

double runs_per_hour(const Watched& seen, std::size_t runs) {
  return seen.seconds > 0 ? 3600 * seen.share * static_cast<double>(runs) / seen.seconds : 0;
}

}  // namespace

std::vector<PackSpeed> measure_speeds(const Study& study, const std::vector<RunSpec>& runs, double seconds) {
  const auto begin = Clock::now();
  const Watched alone = watch(study, {runs.front()}, [](const Watched& seen) { return seen.seconds >= kFirstSeconds; });
  std::vector<PackSpeed> speeds = {{1, runs_per_hour(alone, 1)}};
  for (std::size_t size = 2; size <= runs.size() && speeds.back().runs_per_hour > 0; size *= 2) {
    const double spent = std::chrono::duration<double>(Clock::now() - begin).count();
    if (3 * spent > seconds) break;       // twice the runs take no more than twice the last one's time, and that was less than all
    const Watched seen = watch(study, {runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(size)}, [&](const Watched& w) { return w.share >= alone.share; });
    speeds.push_back({static_cast<std::int64_t>(size), runs_per_hour(seen, size)});
    if (speeds.back().runs_per_hour < kGrowth * (speeds.end() - 2)->runs_per_hour) break;
  }
  return speeds;
}

}  // namespace palimpsest
