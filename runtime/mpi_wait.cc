#include "runtime/mpi_wait.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

// An eighth of what was waited so far: the wait is found over an eighth late at most, and ranks that wait for long, of
// which there may be more than cores, cost the others little.
Clock::duration next_sleep(Clock::duration waited) {
  return std::clamp<Clock::duration>(waited / 8, microseconds(10), microseconds(1000));
}

}  // namespace

void wait_for_all(std::vector<MPI_Request>& requests, bool spin, const std::function<void()>& meanwhile) {
  const auto start = Clock::now();
  for (int done = 0;;) {
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
    if (done) return;
    meanwhile();
    if (spin) sched_yield();
    else std::this_thread::sleep_for(next_sleep(Clock::now() - start));
  }
}

}  // namespace palimpsest
