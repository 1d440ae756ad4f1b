#include <ATen/ATen.h>
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <span>
#include <stdexcept>
#include <vector>

#include "runtime/communicator.h"

// A reduction is three moves: every rank sends the c-th chunk of its tensor to rank c, rank c adds what it got in rank order, and (all_reduce)
// sends the total to all. Each number is thereby formed once, on one rank, in one order, whatever the MPI library would have chosen; and
// MPI moves bytes only, so it needs to know neither bfloat16 nor our sums. Each rank sends and receives 2 (W - 1) / W of the tensor.

namespace palimpsest {
namespace {

constexpr std::int64_t kLargestMessage = std::int64_t{1} << 30;  // MPI counts in int; larger chunks go in pieces

// A peer is gone, or the network: nobody can go on, and ranks that still wait would wait forever.
void end_world(MPI_Comm*, int* code, ...) {
  char reason[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(*code, reason, &length);
  std::fprintf(stderr, "palimpsest: lost touch with another rank (%s). Run the same command again to resume.\n", reason);
  MPI_Abort(MPI_COMM_WORLD, 3);
}

void check(bool holds, const char* promise) {
  if (!holds) throw std::logic_error(std::string("communicator: ") + promise);
}

void check_reducible(const at::Tensor& tensor) {
  check(tensor.is_contiguous() && tensor.device().is_cpu(), "tensors are contiguous and on the CPU");
  check(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16, "tensors are float32 or bfloat16");
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) { return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()}; }

// parts [W, n] -> [n] in `out`'s type: added in rank order in float32.
void reduce_parts(at::Tensor out, const at::Tensor& parts, Reduction reduction) {
  auto total = parts[0].to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  for (std::int64_t rank = 1; rank < parts.size(0); ++rank) {
    if (reduction == Reduction::kMax) at::maximum_out(total, total, parts[rank].to(at::kFloat));
    else total.add_(parts[rank]);
  }
  if (reduction == Reduction::kMean) total.div_(static_cast<double>(parts.size(0)));
  out.copy_(total);
}

class OverMpi : public Communicator {
 public:
  explicit OverMpi(int group) {
    int world_rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
    MPI_Comm_split(MPI_COMM_WORLD, group, world_rank, &ranks_);
    MPI_Errhandler handler;
    MPI_Comm_create_errhandler(&end_world, &handler);
    MPI_Comm_set_errhandler(ranks_, handler);
    MPI_Errhandler_free(&handler);
    MPI_Comm_rank(ranks_, &rank_);
    MPI_Comm_size(ranks_, &world_size_);
  }
  ~OverMpi() override { MPI_Comm_free(&ranks_); }
  OverMpi(const OverMpi&) = delete;
  OverMpi& operator=(const OverMpi&) = delete;

  int rank() const override { return rank_; }
  int world_size() const override { return world_size_; }

  void all_reduce(at::Tensor& in_place, Reduction reduction) override {
    check_reducible(in_place);
    const auto flat = in_place.view({-1});
    const std::int64_t n = flat.numel();
    const auto chunk = [&](int rank) { return flat.slice(0, rank * n / world_size_, (rank + 1) * n / world_size_); };
    const auto mine = chunk(rank_);
    const auto parts = at::empty({world_size_, mine.numel()}, flat.options());
    exchange([&](int to) { return bytes_of(chunk(to)); }, [&](int from) { return bytes_of(parts[from]); });
    reduce_parts(mine, parts, reduction);
    exchange([&](int) { return bytes_of(mine); }, [&](int from) { return bytes_of(chunk(from)); });
  }

  void reduce_scatter(at::Tensor& part, const at::Tensor& whole, Reduction reduction) override {
    check_reducible(part);
    check_reducible(whole);
    check(whole.numel() == world_size_ * part.numel() && whole.dtype() == part.dtype(), "reduce_scatter: the whole is world_size parts");
    const auto by_rank = whole.view({world_size_, part.numel()});
    const auto parts = at::empty({world_size_, part.numel()}, part.options());
    exchange([&](int to) { return bytes_of(by_rank[to]); }, [&](int from) { return bytes_of(parts[from]); });
    reduce_parts(part.view({-1}), parts, reduction);
  }

  void all_gather(at::Tensor& whole, const at::Tensor& part) override {
    check(whole.is_contiguous() && part.is_contiguous(), "tensors are contiguous");
    check(whole.numel() == world_size_ * part.numel() && whole.dtype() == part.dtype(), "all_gather: the whole is world_size parts");
    const auto by_rank = whole.view({world_size_, part.numel()});
    exchange([&](int) { return bytes_of(part); }, [&](int from) { return bytes_of(by_rank[from]); });
  }

  void broadcast(at::Tensor& in_place, int root) override {
    check(in_place.is_contiguous(), "tensors are contiguous");
    for_each_piece(bytes_of(in_place), [&](std::byte* piece, int size) { MPI_Bcast(piece, size, MPI_BYTE, root, ranks_); });
  }

  void barrier() override { MPI_Barrier(ranks_); }

 private:
  static void for_each_piece(std::span<std::byte> bytes, const std::function<void(std::byte*, int)>& move) {
    for (std::int64_t at = 0, size = std::ssize(bytes); at < size; at += kLargestMessage)
      move(bytes.data() + at, static_cast<int>(std::min(kLargestMessage, size - at)));
  }

  /// Every rank sends outgoing(r) to each rank r and receives incoming(r) from it.
  void exchange(const std::function<std::span<std::byte>(int)>& outgoing, const std::function<std::span<std::byte>(int)>& incoming) {
    std::vector<MPI_Request> requests;
    for (int step = 1; step < world_size_; ++step) {  // each rank begins with its neighbour, so that no one rank is everyone's first
      const int to = (rank_ + step) % world_size_, from = (rank_ - step + world_size_) % world_size_;
      for_each_piece(incoming(from), [&](std::byte* piece, int size) { MPI_Irecv(piece, size, MPI_BYTE, from, 0, ranks_, &requests.emplace_back()); });
      for_each_piece(outgoing(to), [&](std::byte* piece, int size) { MPI_Isend(piece, size, MPI_BYTE, to, 0, ranks_, &requests.emplace_back()); });
    }
    const auto kept = outgoing(rank_), place = incoming(rank_);
    if (!kept.empty() && kept.data() != place.data()) std::memcpy(place.data(), kept.data(), kept.size());
    MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  }

  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0, world_size_ = 1;
};

}  // namespace

std::unique_ptr<Communicator> over_mpi(int group) { return std::make_unique<OverMpi>(group); }

}  // namespace palimpsest
