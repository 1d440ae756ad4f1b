#include "runtime/mpi_wait.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace palimpsest {
namespace {

constexpr std::chrono::microseconds kShortest{10}, kLongest{200};

}  // namespace

void wait_for_all(std::vector<MPI_Request>& requests, bool spin, const std::function<void()>& meanwhile) {
  auto sleep = kShortest;
  for (int done = 0;;) {
    MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
    if (done) return;
    meanwhile();
    if (spin) {
      sched_yield();
    } else {
      std::this_thread::sleep_for(sleep);
      sleep = std::min(2 * sleep, kLongest);
    }
  }
}

}  // namespace palimpsest
