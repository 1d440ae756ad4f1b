#include "runtime/through_host.h"

#include <ATen/ATen.h>

#include <stdexcept>
#include <utility>

namespace palimpsest {
namespace {

class ThroughHost : public Communicator {
 public:
  ThroughHost(std::unique_ptr<Communicator> inner, Staged staged) : inner_(std::move(inner)), staged_(staged) {}

  int rank() const override { return inner_->rank(); }
  int world_size() const override { return inner_->world_size(); }
  int node() const override { return inner_->node(); }
  void barrier() override { inner_->barrier(); }
  void pulse() override { inner_->pulse(); }
  void last_pulse() override { inner_->last_pulse(); }
  std::unique_ptr<Communicator> split(int group) override { return through_host(inner_->split(group), staged_); }

  void all_reduce(at::Tensor& x, Reduction reduction) override {
    if (alone()) return;
    if (stays(x)) return inner_->all_reduce(x, reduction);
    auto here = room_for(x).copy_(x);
    inner_->all_reduce(here, reduction);
    x.copy_(here);
  }
  void reduce_scatter(at::Tensor& part, const at::Tensor& whole, Reduction reduction) override {
    if (stays(part) && stays(whole)) return inner_->reduce_scatter(part, whole, reduction);
    auto part_here = room_for(part);
    inner_->reduce_scatter(part_here, room_for(whole).copy_(whole), reduction);
    part.copy_(part_here);
  }
  void all_gather(at::Tensor& whole, const at::Tensor& part) override {
    if (stays(part) && stays(whole)) return inner_->all_gather(whole, part);
    auto whole_here = room_for(whole);
    inner_->all_gather(whole_here, room_for(part).copy_(part));
    whole.copy_(whole_here);
  }
  void broadcast(at::Tensor& x, int root) override {
    if (alone()) return;
    if (stays(x)) return inner_->broadcast(x, root);
    auto here = room_for(x).copy_(x);
    inner_->broadcast(here, root);
    x.copy_(here);
  }

 private:
  bool alone() const { return staged_ == Staged::kOfDevices && world_size() == 1; }
  bool stays(const at::Tensor& x) const { return staged_ == Staged::kOfDevices && x.is_cpu(); }

  // LibTorch keeps pinned blocks for the next time.
  static at::Tensor room_for(const at::Tensor& x) {
    if (!x.is_contiguous()) throw std::logic_error("communicator: tensors are contiguous");
    return at::empty(x.sizes(), at::TensorOptions(x.scalar_type()).device(at::kCPU).pinned_memory(x.is_cuda()));
  }

  const std::unique_ptr<Communicator> inner_;
  const Staged staged_;
};

}  // namespace

std::unique_ptr<Communicator> through_host(std::unique_ptr<Communicator> inner, Staged staged) {
  return std::make_unique<ThroughHost>(std::move(inner), staged);
}

}  // namespace palimpsest
