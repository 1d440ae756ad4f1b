#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "runtime/nccl_library.h"

namespace palimpsest {

/// The device that a rank's collectives are for, by the functions of the CUDA runtime. What fails ends the world by
/// name.
struct CudaDevice {
  const NcclLibrary& library;
  int rank, device;

  [[noreturn]] void end_world(const std::string& what) const {
    std::fprintf(stderr, "palimpsest: rank %d: %s. Run the same command again to resume.\n", rank, what.c_str());
    std::_Exit(3);  // the launcher ends the others
  }
  void check(ncclResult_t result, const char* what) const {
    if (result != ncclSuccess && result != ncclInProgress)
      end_world(fmt::format("NCCL failed in {}: {}", what, library.error_string(result)));
  }
  void check(cudaError_t result, const char* what) const {
    if (result != cudaSuccess) end_world(fmt::format("CUDA failed in {}: {}", what, library.cuda_error_string(result)));
  }
  /// CUDA keeps a current device for each thread, and begins with the first.
  void make_current() const { check(library.set_device(device), "choosing the device"); }
};

/// A point in what a stream does, from when it is made on.
class CudaEvent {
 public:
  CudaEvent(const CudaDevice& device, cudaStream_t stream) : device_(device) {
    device_.check(device_.library.event_create(&event_, cudaEventDisableTiming), "making an event");
    device_.check(device_.library.event_record(event_, stream), "recording an event");
  }
  ~CudaEvent() { device_.library.event_destroy(event_); }  // CUDA keeps it until it has happened
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  bool happened() const {
    const cudaError_t state = device_.library.event_query(event_);
    if (state != cudaErrorNotReady) device_.check(state, "what is under way");
    return state == cudaSuccess;
  }
  void hold_up(cudaStream_t then) const {
    device_.check(device_.library.stream_wait_event(then, event_, 0), "waiting for an event");
  }

 private:
  const CudaDevice device_;
  cudaEvent_t event_ = nullptr;
};

}  // namespace palimpsest
