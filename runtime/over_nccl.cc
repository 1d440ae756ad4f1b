#include "runtime/over_nccl.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "runtime/error.h"
#include "runtime/nccl_watch.h"

namespace palimpsest {
namespace {

ncclDataType_t type_of(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kFloat) return ncclFloat32;
  if (tensor.scalar_type() == at::kBFloat16) return ncclBfloat16;
  throw std::logic_error("communicator: tensors are float32 or bfloat16");
}

ncclRedOp_t operation_of(Reduction reduction) {
  return reduction == Reduction::kSum ? ncclSum : reduction == Reduction::kMean ? ncclAvg : ncclMax;
}

// The collectives' own: one for a world and all that it is split into, for NCCL's communicators must not run at once.
class Stream {
 public:
  explicit Stream(const CudaDevice& device) : device_(device) {
    device_.check(device_.library.stream_create(&stream_, cudaStreamNonBlocking), "making a stream");
  }
  ~Stream() { device_.library.stream_destroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  const CudaDevice device_;
  cudaStream_t stream_ = nullptr;
};

class OverNccl : public Communicator {
 public:
  OverNccl(std::unique_ptr<Communicator> ranks, const NcclOptions& options, const NcclLibrary& library,
           std::shared_ptr<Stream> stream = nullptr)
      : library_(library),
        ranks_(std::move(ranks)),
        options_(options),
        device_{library, ranks_->rank(), options.device},
        compute_(static_cast<cudaStream_t>(options.compute_stream)) {
    device_.make_current();
    stream_ = stream ? std::move(stream) : std::make_shared<Stream>(device_);
    const ncclUniqueId id = id_of_rank_0();
    watch_ = std::make_unique<NcclWatch>(device_, options.time_out);
    device_.check(library_.comm_init_rank(&comm_, world_size(), id, rank()), "joining the ranks");
    watch_->joined(comm_);
  }
  ~OverNccl() override {
    fence()();  // before tensors that are still under way are let go of
    watch_.reset();
    library_.comm_destroy(comm_);
  }
  OverNccl(const OverNccl&) = delete;
  OverNccl& operator=(const OverNccl&) = delete;

  int rank() const override { return ranks_->rank(); }
  int world_size() const override { return ranks_->world_size(); }
  int node() const override { return ranks_->node(); }

  void all_reduce(at::Tensor& x, Reduction reduction) override {
    if (!library_.moves(x)) return ranks_->all_reduce(x, reduction);
    enqueue("all_reduce", {x}, [&] {
      return library_.all_reduce(x.data_ptr(), x.data_ptr(), count(x), type_of(x), operation_of(reduction), comm_,
                                 stream_->get());
    });
  }
  void reduce_scatter(at::Tensor& part, const at::Tensor& whole, Reduction reduction) override {
    if (!library_.moves(part)) return ranks_->reduce_scatter(part, whole, reduction);
    enqueue("reduce_scatter", {part, whole}, [&] {
      return library_.reduce_scatter(whole.data_ptr(), part.data_ptr(), count(part), type_of(part),
                                     operation_of(reduction), comm_, stream_->get());
    });
  }
  void all_gather(at::Tensor& whole, const at::Tensor& part) override {
    if (!library_.moves(part)) return ranks_->all_gather(whole, part);
    enqueue("all_gather", {whole, part}, [&] {
      return library_.all_gather(part.data_ptr(), whole.data_ptr(), part.nbytes(), ncclInt8, comm_, stream_->get());
    });
  }
  void broadcast(at::Tensor& x, int root) override {
    if (!library_.moves(x)) return ranks_->broadcast(x, root);
    enqueue("broadcast", {x}, [&] {
      return library_.broadcast(x.data_ptr(), x.data_ptr(), x.nbytes(), ncclInt8, root, comm_, stream_->get());
    });
  }
  void barrier() override { ranks_->barrier(); }

  Fence fence() override {
    device_.make_current();
    return [device = device_, compute = compute_, stream = stream_,
            until = std::make_shared<CudaEvent>(device_, stream_->get())] {
      device.make_current();  // of the thread that computes
      until->hold_up(compute);
    };
  }

  std::unique_ptr<Communicator> split(int group) override {
    return std::make_unique<OverNccl>(ranks_->split(group), options_, library_, stream_);
  }
  void pulse() override { ranks_->pulse(); }
  void last_pulse() override { ranks_->last_pulse(); }

 private:
  static std::size_t count(const at::Tensor& x) { return static_cast<std::size_t>(x.numel()); }

  ncclUniqueId id_of_rank_0() {
    ncclUniqueId id{};
    if (rank() == 0) device_.check(library_.get_unique_id(&id), "making an id");
    auto bytes = at::empty({static_cast<std::int64_t>(sizeof id)}, at::kByte);
    std::memcpy(bytes.data_ptr(), &id, sizeof id);
    ranks_->broadcast(bytes, 0);
    std::memcpy(&id, bytes.data_ptr(), sizeof id);
    return id;
  }

  // The collective waits for what was computed before it; the host does not.
  template <class Collective>
  void enqueue(const char* name, std::vector<at::Tensor> tensors, Collective collective) {
    if (!std::ranges::all_of(tensors, [this](const at::Tensor& x) { return x.is_contiguous() && library_.moves(x); }))
      throw std::logic_error("communicator: tensors are contiguous and on one device");
    device_.make_current();
    CudaEvent(device_, compute_).hold_up(stream_->get());
    auto begun = std::make_unique<CudaEvent>(device_, stream_->get());
    device_.check(collective(), name);
    watch_->add(name, std::move(begun), std::make_unique<CudaEvent>(device_, stream_->get()), std::move(tensors));
  }

  const NcclLibrary& library_;
  const std::unique_ptr<Communicator> ranks_;
  const NcclOptions options_;
  const CudaDevice device_;
  const cudaStream_t compute_;
  std::shared_ptr<Stream> stream_;
  ncclComm_t comm_ = nullptr;
  std::unique_ptr<NcclWatch> watch_;
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

std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> ranks, const NcclOptions& options) {
  return over_nccl(std::move(ranks), options, NcclLibrary::get());
}

std::unique_ptr<Communicator> over_nccl(std::unique_ptr<Communicator> ranks, const NcclOptions& options,
                                        const NcclLibrary& library) {
  return std::make_unique<OverNccl>(std::move(ranks), options, library);
}

}  // namespace palimpsest
