#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include "runtime/over_nccl.h"

namespace palimpsest {

/// The functions of NCCL and of the CUDA runtime that we call, looked up when the first GPU is asked for, so that the
/// program starts where there is neither.
struct NcclLibrary {
  static const NcclLibrary& get();  // throws InputError that names what is missing

  decltype(&::ncclGetUniqueId) get_unique_id;
  decltype(&::ncclCommInitRank) comm_init_rank;
  decltype(&::ncclCommDestroy) comm_destroy;
  decltype(&::ncclCommAbort) comm_abort;
  decltype(&::ncclCommGetAsyncError) comm_get_async_error;
  decltype(&::ncclGetErrorString) error_string;
  decltype(&::ncclAllReduce) all_reduce;
  decltype(&::ncclReduceScatter) reduce_scatter;
  decltype(&::ncclAllGather) all_gather;
  decltype(&::ncclBroadcast) broadcast;

  decltype(&::cudaSetDevice) set_device;
  decltype(&::cudaGetErrorString) cuda_error_string;
  bool (*moves)(const at::Tensor&);  // whether its memory is a device's
  cudaError_t (*stream_create)(cudaStream_t*, unsigned int);
  decltype(&::cudaStreamDestroy) stream_destroy;
  decltype(&::cudaStreamWaitEvent) stream_wait_event;
  cudaError_t (*event_create)(cudaEvent_t*, unsigned int);
  cudaError_t (*event_record)(cudaEvent_t, cudaStream_t);
  decltype(&::cudaEventQuery) event_query;
  decltype(&::cudaEventDestroy) event_destroy;
};

/// over_nccl by the functions given, which must outlive it.
std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> ranks, const NcclOptions&, const NcclLibrary&);

}  // namespace palimpsest
