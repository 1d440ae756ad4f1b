#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "runtime/communicator.h"

namespace palimpsest {

struct NcclOptions {
  int device = 0;                     // of this rank: no two ranks may have the same one
  void* compute_stream = nullptr;     // cudaStream_t that tensors are computed on; nullptr: the device's default one
  std::chrono::seconds time_out{25};  // for a collective, after which the world is ended by name
};

/// Collectives of tensors on CUDA devices over NCCL. The same ranks as `ranks` (over MPI), which carries NCCL's id at
/// the start and the words of agree() after it, and must outlive this. Nothing waits on the host: collectives go to a
/// stream of their own, which waits for what was computed before, as what is computed after waits for it. A sum is in
/// NCCL's order, not in rank order. Errors and time-outs name rank and collective and end the world with exit code 3.
/// Throws InputError with what is missing where this program was built without NCCL's header, or its library or a
/// device is not there.
std::unique_ptr<Communicator> over_nccl(Communicator& ranks, const NcclOptions&);

/// Why over_nccl cannot be used here; empty: it can.
std::string why_no_nccl();

}  // namespace palimpsest
