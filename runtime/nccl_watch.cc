#include "runtime/nccl_watch.h"

namespace palimpsest {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{200};

}  // namespace

NcclWatch::NcclWatch(const CudaDevice& device, std::chrono::seconds time_out)
    : device_(device), time_out_(time_out), thread_([this] { look(); }) {}

NcclWatch::~NcclWatch() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  left_.notify_one();
  thread_.join();
}

void NcclWatch::joined(ncclComm_t ranks) {
  const std::lock_guard lock(mutex_);
  ranks_ = ranks;
  joining_.reset();
}

void NcclWatch::add(const char* collective, std::unique_ptr<CudaEvent> begun, std::unique_ptr<CudaEvent> done,
                    std::vector<at::Tensor> tensors) {
  const std::lock_guard lock(mutex_);
  forget_the_done();  // so that memory does not wait for the next look
  under_way_.push_back({collective, ++count_, std::move(begun), std::move(done), std::move(tensors), {}});
}

void NcclWatch::look() {
  device_.make_current();
  for (std::unique_lock lock(mutex_); !left_.wait_for(lock, kBetweenLooks, [this] { return leaving_; });) look_once();
}

void NcclWatch::look_once() {
  const std::string too_long = fmt::format(
      "it has not ended within {} s: another rank is gone, stopped or in another collective", time_out_.count());
  if (late(joining_)) device_.end_world("NCCL failed in joining the ranks: " + too_long);
  if (joining_) return;
  ncclResult_t state = ncclSuccess;
  device_.library.comm_get_async_error(ranks_, &state);
  forget_the_done();
  UnderWay* const first = under_way_.empty() ? nullptr : &under_way_.front();
  const std::string where =
      first ? fmt::format("in {} (collective {})", first->collective, first->number) : "between collectives";
  if (state != ncclSuccess && state != ncclInProgress) give_up(where, device_.library.error_string(state));
  if (!first) return;
  if (!first->since && first->begun->happened()) first->since = Clock::now();
  if (late(first->since)) give_up(where, too_long);
}

void NcclWatch::forget_the_done() {
  while (!under_way_.empty() && under_way_.front().done->happened()) under_way_.pop_front();
}

void NcclWatch::give_up(const std::string& where, const std::string& reason) {
  device_.library.comm_abort(ranks_);
  device_.end_world(fmt::format("NCCL failed {}: {}", where, reason));
}

}  // namespace palimpsest
