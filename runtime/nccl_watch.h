#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/cuda_event.h"

namespace palimpsest {

/// Looks after the collectives of a communicator that are under way: one that fails, or does not end in time once it
/// has begun, ends the world by name, and so does a start that does not end. Keeps their tensors until they are
/// through.
class NcclWatch {
 public:
  NcclWatch(const CudaDevice&, std::chrono::seconds time_out);  // the ranks begin to join
  ~NcclWatch();
  NcclWatch(const NcclWatch&) = delete;
  NcclWatch& operator=(const NcclWatch&) = delete;

  void joined(ncclComm_t);
  void add(const char* collective, std::unique_ptr<CudaEvent> begun, std::unique_ptr<CudaEvent> done,
           std::vector<at::Tensor> tensors);

 private:
  using Clock = std::chrono::steady_clock;
  struct UnderWay {
    const char* collective;
    std::int64_t number;
    std::unique_ptr<CudaEvent> begun, done;
    std::vector<at::Tensor> tensors;
    std::optional<Clock::time_point> since;  // when it was seen to have begun
  };
  void look();
  void look_once();
  void forget_the_done();
  bool late(const std::optional<Clock::time_point>& since) const { return since && Clock::now() - *since > time_out_; }
  [[noreturn]] void give_up(const std::string& where, const std::string& reason);

  const CudaDevice device_;
  const std::chrono::seconds time_out_;
  std::mutex mutex_;
  std::condition_variable left_;
  // Protected by mutex_.
  ncclComm_t ranks_ = nullptr;
  std::optional<Clock::time_point> joining_ = Clock::now();
  std::deque<UnderWay> under_way_;
  std::int64_t count_ = 0;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace palimpsest
