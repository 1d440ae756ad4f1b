#pragma once

#include <mpi.h>

#include <functional>
#include <vector>

namespace palimpsest {

/// Waits for all requests. MPI's own waiting spins, which takes a core from those who compute; this sleeps in growing
/// steps of microseconds, or, where the peers are known to be there (`spin`), only gives way. `meanwhile` is called in
/// between.
void wait_for_all(std::vector<MPI_Request>& requests, bool spin, const std::function<void()>& meanwhile);

}  // namespace palimpsest
