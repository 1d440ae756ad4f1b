#include "runtime/over_nccl.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "runtime/error.h"
#include "runtime/nccl_library.h"

namespace palimpsest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenLooks{200};

[[noreturn]] void end_world(int rank, const std::string& what) {
  std::fprintf(stderr, "palimpsest: rank %d: %s. Run the same command again to resume.\n", rank, what.c_str());
  std::_Exit(3);  // the launcher ends the others
}

ncclDataType_t type_of(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kFloat) return ncclFloat32;
  if (tensor.scalar_type() == at::kBFloat16) return ncclBfloat16;
  throw std::logic_error("communicator: tensors are float32 or bfloat16");
}

ncclRedOp_t operation_of(Reduction reduction) {
  return reduction == Reduction::kSum ? ncclSum : reduction == Reduction::kMean ? ncclAvg : ncclMax;
}

/// Looks after the collectives that are under way: one that fails, or does not end in time, ends the world by name.
class Watch {
 public:
  Watch(const NcclLibrary& library, ncclComm_t ranks, int rank, int device, std::chrono::seconds time_out)
      : library_(library), ranks_(ranks), rank_(rank), device_(device), time_out_(time_out), thread_([this] {
          look();
        }) {}
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      leaving_ = true;
    }
    left_.notify_one();
    thread_.join();
    for (const UnderWay& one : under_way_) library_.event_destroy(one.done);
  }

  void add(const char* collective, cudaEvent_t done) {
    const std::lock_guard lock(mutex_);
    under_way_.push_back({collective, ++count_, done, Clock::now()});
  }

 private:
  struct UnderWay {
    const char* collective;
    std::int64_t number;
    cudaEvent_t done;
    Clock::time_point begun;
  };

  void look() {
    library_.set_device(device_);
    for (std::unique_lock lock(mutex_); !left_.wait_for(lock, kBetweenLooks, [this] { return leaving_; });) look_once();
  }

  void look_once() {
    ncclResult_t state = ncclSuccess;
    library_.comm_get_async_error(ranks_, &state);
    while (!under_way_.empty() && library_.event_query(under_way_.front().done) == cudaSuccess) {
      library_.event_destroy(under_way_.front().done);
      under_way_.pop_front();
    }
    if (state != ncclSuccess && state != ncclInProgress) give_up(library_.error_string(state));
    if (!under_way_.empty() && Clock::now() - under_way_.front().begun > time_out_)
      give_up(fmt::format("it has not ended within {} s: another rank is gone, stopped or in another collective",
                          time_out_.count()));
  }

  [[noreturn]] void give_up(const std::string& reason) {
    const std::string which = under_way_.empty() ? "between collectives"
                                                 : fmt::format("in {} (collective {})", under_way_.front().collective,
                                                               under_way_.front().number);
    library_.comm_abort(ranks_);
    end_world(rank_, fmt::format("NCCL failed {}: {}", which, reason));
  }

  const NcclLibrary& library_;
  const ncclComm_t ranks_;
  const int rank_, device_;
  const std::chrono::seconds time_out_;
  std::mutex mutex_;
  std::condition_variable left_;
  // Protected by mutex_.
  std::deque<UnderWay> under_way_;
  std::int64_t count_ = 0;
  bool leaving_ = false;
  std::thread thread_;
};

class OverNccl : public Communicator {
 public:
  OverNccl(Communicator& ranks, const NcclOptions& options, const NcclLibrary& library)
      : library_(library),
        ranks_(ranks),
        options_(options),
        compute_(static_cast<cudaStream_t>(options.compute_stream)) {
    check(library_.set_device(options.device), "choosing the device");
    check(library_.stream_create(&stream_, cudaStreamNonBlocking), "making a stream");
    ncclUniqueId id;
    if (ranks.rank() == 0) check(library_.get_unique_id(&id), "making an id");
    auto bytes = at::empty({static_cast<std::int64_t>(sizeof id)}, at::kByte);
    if (ranks.rank() == 0) std::memcpy(bytes.data_ptr(), &id, sizeof id);
    ranks.broadcast(bytes, 0);
    std::memcpy(&id, bytes.data_ptr(), sizeof id);
    check(library_.comm_init_rank(&comm_, ranks.world_size(), id, ranks.rank()), "joining the ranks");
    watch_ = std::make_unique<Watch>(library_, comm_, ranks.rank(), options.device, options.time_out);
  }
  ~OverNccl() override {
    watch_.reset();
    library_.comm_destroy(comm_);
    library_.stream_destroy(stream_);
  }
  OverNccl(const OverNccl&) = delete;
  OverNccl& operator=(const OverNccl&) = delete;

  int rank() const override { return ranks_.rank(); }
  int world_size() const override { return ranks_.world_size(); }
  int node() const override { return ranks_.node(); }

  void all_reduce(at::Tensor& x, Reduction reduction) override {
    enqueue("all_reduce", [&] {
      return library_.all_reduce(x.data_ptr(), x.data_ptr(), count(x), type_of(x), operation_of(reduction), comm_,
                                 stream_);
    });
  }
  void reduce_scatter(at::Tensor& part, const at::Tensor& whole, Reduction reduction) override {
    enqueue("reduce_scatter", [&] {
      return library_.reduce_scatter(whole.data_ptr(), part.data_ptr(), count(part), type_of(part),
                                     operation_of(reduction), comm_, stream_);
    });
  }
  void all_gather(at::Tensor& whole, const at::Tensor& part) override {
    enqueue("all_gather", [&] {
      return library_.all_gather(part.data_ptr(), whole.data_ptr(), part.nbytes(), ncclInt8, comm_, stream_);
    });
  }
  void broadcast(at::Tensor& x, int root) override {
    enqueue("broadcast",
            [&] { return library_.broadcast(x.data_ptr(), x.data_ptr(), x.nbytes(), ncclInt8, root, comm_, stream_); });
  }
  void barrier() override { ranks_.barrier(); }
  std::unique_ptr<Communicator> split(int group) override {
    struct Split : OverNccl {
      Split(std::unique_ptr<Communicator> ranks, const NcclOptions& options, const NcclLibrary& library)
          : OverNccl(*ranks, options, library), own(std::move(ranks)) {}
      std::unique_ptr<Communicator> own;
    };
    return std::make_unique<Split>(ranks_.split(group), options_, library_);
  }
  void pulse() override { ranks_.pulse(); }
  void last_pulse() override { ranks_.last_pulse(); }

 private:
  static std::size_t count(const at::Tensor& x) { return static_cast<std::size_t>(x.numel()); }

  // The collective waits for what was computed before it, and what is computed after it waits for the collective; the
  // host for neither.
  template <class Collective>
  void enqueue(const char* name, Collective collective) {
    order(compute_, stream_, name, nullptr);
    check(collective(), name);
    order(stream_, compute_, name, watch_.get());
  }

  void order(cudaStream_t first, cudaStream_t then, const char* name, Watch* watch) {
    cudaEvent_t event = nullptr;
    check(library_.event_create(&event, cudaEventDisableTiming), name);
    check(library_.event_record(event, first), name);
    check(library_.stream_wait_event(then, event, 0), name);
    if (watch)
      watch->add(name, event);
    else
      library_.event_destroy(event);  // CUDA keeps it until it has happened
  }

  void check(ncclResult_t result, const char* what) const {
    if (result != ncclSuccess && result != ncclInProgress)
      end_world(ranks_.rank(), fmt::format("NCCL failed in {}: {}", what, library_.error_string(result)));
  }
  void check(cudaError_t result, const char* what) const {
    if (result != cudaSuccess)
      end_world(ranks_.rank(), fmt::format("CUDA failed in {}: {}", what, library_.cuda_error_string(result)));
  }

  const NcclLibrary& library_;
  Communicator& ranks_;
  const NcclOptions options_;
  const cudaStream_t compute_;
  cudaStream_t stream_ = nullptr;
  ncclComm_t comm_ = nullptr;
  std::unique_ptr<Watch> watch_;
};

}  // namespace

std::string why_no_nccl() {
  try {
    NcclLibrary::get();
    return {};
  } catch (const InputError& error) {
    return error.what();
  }
}

std::unique_ptr<Communicator> over_nccl(Communicator& ranks, const NcclOptions& options) {
  return over_nccl(ranks, options, NcclLibrary::get());
}

std::unique_ptr<Communicator> over_nccl(Communicator& ranks, const NcclOptions& options, const NcclLibrary& library) {
  return std::make_unique<OverNccl>(ranks, options, library);
}

}  // namespace palimpsest
