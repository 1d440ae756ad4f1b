#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/communicator.h"
#include "runtime/nccl_library.h"

namespace palimpsest {

/// NCCL and CUDA as a machine without a GPU has them: streams and events are names with the device that was current
/// when they were made, and collectives are done at once, in host memory, over other ranks. It keeps a log of what it
/// was asked. As with CUDA, each thread has a current device, 0 at first, and what is of another is refused.
struct NcclTwin {
  struct Stream {
    std::string name;
    int device;
  };
  struct Event {
    int device;
    int collectives;  // that were asked for before it
  };
  static inline Communicator* ranks = nullptr;
  static inline std::vector<std::string> log;
  static inline bool on_host = false;             // tensors are
  static inline bool begins = true, ends = true;  // whether collectives ever do
  static inline bool joins = true;                // whether the others come
  static inline std::atomic<int> looks = 0;       // at collectives that are under way
  static inline std::atomic<int> collectives = 0;
  static inline ncclResult_t state = ncclSuccess;          // of the communicator, some time after a collective
  static inline std::atomic<int> events = 0, streams = 0;  // made and not destroyed
  static inline thread_local int device = 0;               // the current one
  static inline Stream compute{"compute", 0};

  static const Stream& of(cudaStream_t stream) { return *reinterpret_cast<const Stream*>(stream); }
  static const Event& of(cudaEvent_t event) { return *reinterpret_cast<const Event*>(event); }

  static void note(std::string what) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    log.push_back(std::move(what));
  }

  static bool begin(const char* collective, cudaStream_t stream) {
    note(std::string(collective) + " on " + of(stream).name);
    ++collectives;
    return of(stream).device == device;
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
    f.moves = [](const at::Tensor& x) {
      return !on_host && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
    };
    f.comm_init_rank = [](ncclComm_t* comm, int n, ncclUniqueId id, int rank) {
      while (!joins) std::this_thread::sleep_for(std::chrono::milliseconds(10));
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
      if (!begin("all_reduce", stream)) return ncclInvalidUsage;
      auto x = tensor(out, n, type);
      if (in != out) x.copy_(tensor(in, n, type));
      ranks->all_reduce(x, reduction(op));
      return ncclSuccess;
    };
    f.reduce_scatter = [](const void* in, void* out, std::size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t,
                          cudaStream_t stream) {
      if (!begin("reduce_scatter", stream)) return ncclInvalidUsage;
      auto part = tensor(out, n, type);
      ranks->reduce_scatter(part, tensor(in, n * ranks->world_size(), type), reduction(op));
      return ncclSuccess;
    };
    f.all_gather = [](const void* in, void* out, std::size_t n, ncclDataType_t type, ncclComm_t, cudaStream_t stream) {
      if (!begin("all_gather", stream)) return ncclInvalidUsage;
      auto whole = tensor(out, n * ranks->world_size(), type);
      ranks->all_gather(whole, tensor(in, n, type));
      return ncclSuccess;
    };
    f.broadcast = [](const void*, void* out, std::size_t n, ncclDataType_t type, int root, ncclComm_t,
                     cudaStream_t stream) {
      if (!begin("broadcast", stream)) return ncclInvalidUsage;
      auto x = tensor(out, n, type);
      ranks->broadcast(x, root);
      return ncclSuccess;
    };
    f.set_device = [](int number) {
      device = number;
      return cudaSuccess;
    };
    f.cuda_error_string = [](cudaError_t error) {
      return error == cudaErrorInvalidResourceHandle ? "invalid resource handle" : "out of memory";
    };
    f.stream_create = [](cudaStream_t* stream, unsigned) {
      *stream = reinterpret_cast<cudaStream_t>(new Stream{"communication", device});
      ++streams;
      return cudaSuccess;
    };
    f.stream_destroy = [](cudaStream_t stream) {
      delete &of(stream);
      --streams;
      return cudaSuccess;
    };
    f.stream_wait_event = [](cudaStream_t stream, cudaEvent_t, unsigned) {
      note(of(stream).name + " waits");
      return cudaSuccess;
    };
    f.event_create = [](cudaEvent_t* event, unsigned) {
      *event = reinterpret_cast<cudaEvent_t>(new Event{device, collectives});
      ++events;
      return cudaSuccess;
    };
    f.event_record = [](cudaEvent_t event, cudaStream_t stream) {
      note("mark " + of(stream).name);
      return of(event).device == of(stream).device ? cudaSuccess : cudaErrorInvalidResourceHandle;
    };
    f.event_query = [](cudaEvent_t event) {
      ++looks;
      return begins && (ends || of(event).collectives == 0) ? cudaSuccess : cudaErrorNotReady;
    };
    f.event_destroy = [](cudaEvent_t event) {
      delete &of(event);
      --events;
      return cudaSuccess;
    };
    return f;
  }
};

}  // namespace palimpsest
