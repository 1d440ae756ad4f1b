#pragma once

#include <ATen/ATen.h>

#include <cstring>
#include <string>
#include <vector>

#include "runtime/communicator.h"
#include "runtime/nccl_library.h"

namespace palimpsest {

/// NCCL and CUDA as a machine without a GPU has them: streams are names, events a count, and collectives are done at
/// once, in host memory, over other ranks. It keeps a log of what it was asked.
struct NcclTwin {
  static inline Communicator* ranks = nullptr;
  static inline std::vector<std::string> log;
  static inline bool ends = true;                  // whether what was begun ever ends
  static inline ncclResult_t state = ncclSuccess;  // of the communicator, some time after a collective
  static inline int events = 0;                    // made and not destroyed

  static inline char compute_stream = 0;

  static std::string name_of(cudaStream_t stream) {
    return static_cast<void*>(stream) == &compute_stream ? "compute" : "communication";
  }

  static at::Tensor tensor(const void* data, std::size_t count, ncclDataType_t type) {
    const auto scalar = type == ncclFloat32 ? at::kFloat : type == ncclBfloat16 ? at::kBFloat16 : at::kByte;
    return at::from_blob(const_cast<void*>(data), {static_cast<std::int64_t>(count)}, scalar);
  }

  static Reduction reduction(ncclRedOp_t op) {
    return op == ncclSum ? Reduction::kSum : op == ncclAvg ? Reduction::kMean : Reduction::kMax;
  }

  static NcclLibrary library() {
    NcclLibrary f{};
    f.get_unique_id = [](ncclUniqueId* id) {
      std::memset(id, 42, sizeof *id);
      return ncclSuccess;
    };
    f.comm_init_rank = [](ncclComm_t* comm, int n, ncclUniqueId id, int rank) {
      *comm = nullptr;
      const bool same_id = id.internal[0] == 42 && id.internal[sizeof id - 1] == 42;
      return same_id && n == ranks->world_size() && rank == ranks->rank() ? ncclSuccess : ncclInvalidArgument;
    };
    f.comm_destroy = [](ncclComm_t) { return ncclSuccess; };
    f.comm_abort = [](ncclComm_t) { return ncclSuccess; };
    f.comm_get_async_error = [](ncclComm_t, ncclResult_t* result) {
      *result = state;
      return ncclSuccess;
    };
    f.error_string = [](ncclResult_t) { return "a remote process exited"; };
    f.all_reduce = [](const void* in, void* out, std::size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t,
                      cudaStream_t stream) {
      log.push_back("all_reduce on " + name_of(stream));
      auto x = tensor(out, n, type);
      if (in != out) x.copy_(tensor(in, n, type));
      ranks->all_reduce(x, reduction(op));
      return ncclSuccess;
    };
    f.reduce_scatter = [](const void* in, void* out, std::size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t,
                          cudaStream_t stream) {
      log.push_back("reduce_scatter on " + name_of(stream));
      auto part = tensor(out, n, type);
      ranks->reduce_scatter(part, tensor(in, n * ranks->world_size(), type), reduction(op));
      return ncclSuccess;
    };
    f.all_gather = [](const void* in, void* out, std::size_t n, ncclDataType_t type, ncclComm_t, cudaStream_t stream) {
      log.push_back("all_gather on " + name_of(stream));
      auto whole = tensor(out, n * ranks->world_size(), type);
      ranks->all_gather(whole, tensor(in, n, type));
      return ncclSuccess;
    };
    f.broadcast = [](const void*, void* out, std::size_t n, ncclDataType_t type, int root, ncclComm_t,
                     cudaStream_t stream) {
      log.push_back("broadcast on " + name_of(stream));
      auto x = tensor(out, n, type);
      ranks->broadcast(x, root);
      return ncclSuccess;
    };
    f.set_device = [](int) { return cudaSuccess; };
    f.cuda_error_string = [](cudaError_t) { return "out of memory"; };
    f.stream_create = [](cudaStream_t* stream, unsigned) {
      *stream = nullptr;
      return cudaSuccess;
    };
    f.stream_destroy = [](cudaStream_t) { return cudaSuccess; };
    f.stream_wait_event = [](cudaStream_t stream, cudaEvent_t, unsigned) {
      log.push_back(name_of(stream) + " waits");
      return cudaSuccess;
    };
    f.event_create = [](cudaEvent_t* event, unsigned) {
      *event = nullptr;
      ++events;
      return cudaSuccess;
    };
    f.event_record = [](cudaEvent_t, cudaStream_t stream) {
      log.push_back("mark " + name_of(stream));
      return cudaSuccess;
    };
    f.event_query = [](cudaEvent_t) { return ends ? cudaSuccess : cudaErrorNotReady; };
    f.event_destroy = [](cudaEvent_t) {
      --events;
      return cudaSuccess;
    };
    return f;
  }
};

}  // namespace palimpsest
