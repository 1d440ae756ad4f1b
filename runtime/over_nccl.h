#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "runtime/communicator.h"

namespace palimpsest {

struct NcclOptions {
  int device = 0;                  // of this rank: no two ranks may have the same one
  void* compute_stream = nullptr;  // cudaStream_t that tensors are computed on; nullptr: the device's default one
  std::chrono::seconds time_out{
      25};  // for a collective once it has begun, and for the start, after which the world is ended by name
};

/// Collectives of tensors on CUDA devices over NCCL; those of tensors on the host, NCCL's id and the barrier go over
/// `ranks` (over MPI), the same ranks. Nothing waits on the host: collectives go to a stream of their own, in order,
/// which waits for what was computed before; what is computed next waits for them after fence(). A sum is in NCCL's
/// order, not in rank order. Errors and time-outs name rank and collective and end the world with exit code 3. Any
/// thread may call it, one at a time. Throws InputError with what is missing where this program was built without
/// NCCL's header, or its library or a device is not there.
std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> ranks, const NcclOptions&);

/// Why over_nccl cannot be used here; empty: it can.
std::string why_no_nccl();

}  // namespace palimpsest
