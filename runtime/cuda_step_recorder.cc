// Steps as CUDA graphs, a library of its own that is loaded where a GPU is: it needs LibTorch's CUDA half.

#include <exception>
#include <memory>

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "runtime/step_graph.h"

namespace palimpsest {
namespace {

// Steps before the recording use the recording's stream: what libraries and allocator keep by stream is there then.
class CudaStepRecorder : public StepRecorder {
 public:
  explicit CudaStepRecorder(c10::DeviceIndex device) : device_(device), stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)) {}

  void aside(const std::function<void()>& step) override {
    const c10::cuda::CUDAGuard current(device_);
    c10::cuda::device_synchronize();  // what was begun on another stream
    {
      const c10::cuda::CUDAStreamGuard there(stream_);
      step();
    }
    c10::cuda::device_synchronize();
  }

  void record(const std::function<void()>& step) override {
    const c10::cuda::CUDAGuard current(device_);
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();  // what lies idle for other streams cannot be had while recording
    graph_ = std::make_unique<at::cuda::CUDAGraph>();
    pool_ = at::cuda::graph_pool_handle();
    const c10::cuda::CUDAStreamGuard there(stream_);
    try {
      graph_->capture_begin(pool_, cudaStreamCaptureModeThreadLocal);  // other threads may take pinned memory meanwhile
      step();
      graph_->capture_end();
    } catch (...) {
      abandon();
      throw;
    }
  }

  void replay() override {
    const c10::cuda::CUDAGuard current(device_);
    graph_->replay();  // on the stream that is current
  }

  void forget() override {
    if (!graph_) return;
    const c10::cuda::CUDAGuard current(device_);
    c10::cuda::device_synchronize();  // it may be at work
    graph_.reset();
  }

 private:
  // LibTorch takes a recording that fails for the end of the process. Here memory must go to the usual places again, so what
  // its capture_end() would have ended is ended one by one; what was ended already says so, which is no matter. The
  // allocators may still hold a function of the graph, which therefore stays.
  void abandon() {
    const auto quietly = [](const auto& part) {
      try {
        part();
      } catch (const std::exception&) {
      }
    };
    bool ended = false;
    quietly([&] { graph_->capture_end(), ended = true; });
    if (!ended) {
      quietly([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device_, pool_); });
      quietly([&] { at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(pool_); });
      quietly([&] { c10::cuda::CUDACachingAllocator::releasePool(device_, pool_); });
      quietly([&] { at::getHostAllocator(at::kCUDA)->release_pool(pool_); });
      static_cast<void>(graph_.release());
    }
    graph_.reset();
    static_cast<void>(cudaGetLastError());  // that the recording failed is known
  }

  const c10::DeviceIndex device_;
  const c10::cuda::CUDAStream stream_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
  c10::MempoolId_t pool_ = {0, 0};
};

}  // namespace
}  // namespace palimpsest

extern "C" palimpsest::StepRecorder* palimpsest_step_recorder(int device);
palimpsest::StepRecorder* palimpsest_step_recorder(int device) { return new palimpsest::CudaStepRecorder(static_cast<c10::DeviceIndex>(device)); }
