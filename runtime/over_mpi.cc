#include <ATen/ATen.h>
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "runtime/communicator.h"
#include "runtime/host_cores.h"
#include "runtime/mpi_pulse.h"
#include "runtime/mpi_wait.h"
#include "runtime/silence.h"

// A reduction is three moves: every rank sends the c-th chunk of its tensor to rank c, rank c adds what it got in rank order, and (all_reduce)
// sends the total to all. Each number is thereby formed once, on one rank, in one order, whatever the MPI library would have chosen; and
// MPI moves bytes only, so it needs to know neither bfloat16 nor our sums. Each rank sends and receives 2 (W - 1) / W of the tensor.
//
// A large exchange begins with a word to every peer. Until theirs are there this rank sleeps, for they may still compute; then bytes flow, and
// it keeps at it.

namespace palimpsest {
namespace {

constexpr std::int64_t kLargestMessage = std::int64_t{1} << 30;  // MPI counts in int; larger chunks go in pieces
constexpr std::size_t kLarge = 1 << 16;                          // bytes to one peer, from which on an exchange begins with a word
constexpr int kPayload = 0, kWord = 2;                           // tags; 1 is the pulse's

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

// MPI reads and writes the tensor's own memory.
void check_movable(const at::Tensor& tensor) {
  check(tensor.is_contiguous() && tensor.device().is_cpu(), "tensors are contiguous and on the CPU");
}

void check_reducible(const at::Tensor& tensor) {
  check_movable(tensor);
  check(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16, "tensors are float32 or bfloat16");
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) { return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()}; }

// A part of each rank, [n] -> [n] in `out`'s type: added in rank order in float32. `out` may be one of the parts.
void reduce_parts(at::Tensor out, const std::vector<at::Tensor>& parts, Reduction reduction) {
  auto total = parts[0].to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  for (std::size_t rank = 1; rank < parts.size(); ++rank) {
    if (reduction == Reduction::kMax) at::maximum_out(total, total, parts[rank].to(at::kFloat));
    else total.add_(parts[rank]);
  }
  if (reduction == Reduction::kMean) total.div_(static_cast<double>(parts.size()));
  out.copy_(total);
}

// A rank that spins while it waits needs a core of its own, of those that affinity and the control group leave.
bool a_core_for_each_rank() {
  MPI_Comm machine;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  int ranks = 1;
  MPI_Comm_size(machine, &ranks);
  MPI_Comm_free(&machine);
  return ranks <= host_cores().usable();
}

// The ranks of this machine are known by the first of them, or by the number that was given to try several.
int node_of_this_process(int world_rank) {
  if (const char* given = std::getenv("PALIMPSEST_NODE")) return std::atoi(given);
  MPI_Comm machine;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, world_rank, MPI_INFO_NULL, &machine);
  int first = world_rank;
  MPI_Bcast(&first, 1, MPI_INT, 0, machine);
  MPI_Comm_free(&machine);
  return first;
}

[[noreturn]] void end_world_for(int rank) {
  std::fprintf(stderr, "palimpsest: rank %d has shown no sign of life for %lld s: it was stopped, or its machine or network is gone. Run the same command again to resume.\n",
               rank, static_cast<long long>(silence_limit().count()));
  MPI_Abort(MPI_COMM_WORLD, 3);
  std::_Exit(3);
}

class OverMpi : public Communicator {
 public:
  /// The ranks of `among` that give the same group. `room`: there is a core for each rank. `parent`: whose pulse goes on while this one waits; nullptr for a world of its own.
  OverMpi(MPI_Comm among, int group, int node, bool room, OverMpi* parent) : node_(node), room_(room), parent_(parent) {
    int rank_among = 0;
    MPI_Comm_rank(among, &rank_among);
    MPI_Comm_split(among, group, rank_among, &ranks_);
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
  int node() const override { return node_; }
  std::unique_ptr<Communicator> split(int group) override { return std::make_unique<OverMpi>(ranks_, group, node_, room_, this); }

  void all_reduce(at::Tensor& in_place, Reduction reduction) override {
    check_reducible(in_place);
    const auto flat = in_place.view({-1});
    const std::int64_t n = flat.numel();
    const auto chunk = [&](int rank) { return flat.slice(0, rank * n / world_size_, (rank + 1) * n / world_size_); };
    const auto mine = chunk(rank_);
    const auto parts = parts_around(mine);
    exchange([&](int to) { return bytes_of(chunk(to)); }, [&](int from) { return bytes_of(parts[from]); }, flat.nbytes() / world_size_);
    reduce_parts(mine, parts, reduction);
    exchange([&](int) { return bytes_of(mine); }, [&](int from) { return bytes_of(chunk(from)); }, flat.nbytes() / world_size_);
  }

  void reduce_scatter(at::Tensor& part, const at::Tensor& whole, Reduction reduction) override {
    check_reducible(part);
    check_reducible(whole);
    check(whole.numel() == world_size_ * part.numel() && whole.dtype() == part.dtype(), "reduce_scatter: the whole is world_size parts");
    const auto by_rank = whole.view({world_size_, part.numel()});
    const auto parts = parts_around(by_rank[rank_]);
    exchange([&](int to) { return bytes_of(by_rank[to]); }, [&](int from) { return bytes_of(parts[from]); }, part.nbytes());
    reduce_parts(part.view({-1}), parts, reduction);
  }

  void all_gather(at::Tensor& whole, const at::Tensor& part) override {
    check_movable(whole);
    check_movable(part);
    check(whole.numel() == world_size_ * part.numel() && whole.dtype() == part.dtype(), "all_gather: the whole is world_size parts");
    const auto by_rank = whole.view({world_size_, part.numel()});
    exchange([&](int) { return bytes_of(part); }, [&](int from) { return bytes_of(by_rank[from]); }, part.nbytes());
  }

  void broadcast(at::Tensor& in_place, int root) override {
    check_movable(in_place);
    std::vector<MPI_Request> requests;
    for_each_piece(bytes_of(in_place), [&](std::byte* piece, int size) { MPI_Ibcast(piece, size, MPI_BYTE, root, ranks_, &requests.emplace_back()); });
    wait(requests, /*spin=*/false);
  }

  void barrier() override {
    std::vector<MPI_Request> requests(1);
    MPI_Ibarrier(ranks_, requests.data());
    wait(requests, /*spin=*/false);
  }

  void pulse() override {
    if (world_size_ == 1) return;
    if (!pulse_) pulse_.emplace(ranks_, end_world_for);
    pulse_->beat();
  }
  void last_pulse() override {
    if (pulse_) pulse_->farewell();
    pulse_.reset();
  }

 private:
  static void for_each_piece(std::span<std::byte> bytes, const std::function<void(std::byte*, int)>& move) {
    for (std::int64_t at = 0, size = std::ssize(bytes); at < size; at += kLargestMessage)
      move(bytes.data() + at, static_cast<int>(std::min(kLargestMessage, size - at)));
  }

  /// Every rank sends outgoing(r) to each rank r and receives incoming(r) from it, about `bytes`, a number that is the same on all.
  void exchange(const std::function<std::span<std::byte>(int)>& outgoing, const std::function<std::span<std::byte>(int)>& incoming, std::size_t bytes) {
    const auto kept = outgoing(rank_), place = incoming(rank_);
    if (!kept.empty() && kept.data() != place.data()) std::memcpy(place.data(), kept.data(), kept.size());
    const bool large = bytes >= kLarge;
    if (large) {
      std::vector<std::byte> words(static_cast<std::size_t>(world_size_ + 1));
      send_and_receive([&](int) { return std::span(&words.back(), 1); }, [&](int from) { return std::span(&words[static_cast<std::size_t>(from)], 1); }, kWord, false);
    }
    send_and_receive(outgoing, incoming, kPayload, large);
  }

  void send_and_receive(const std::function<std::span<std::byte>(int)>& outgoing, const std::function<std::span<std::byte>(int)>& incoming, int tag, bool spin) {
    std::vector<MPI_Request> requests;
    for (int step = 1; step < world_size_; ++step) {  // each rank begins with its neighbour, so that no one rank is everyone's first
      const int to = (rank_ + step) % world_size_, from = (rank_ - step + world_size_) % world_size_;
      for_each_piece(incoming(from), [&](std::byte* piece, int size) { MPI_Irecv(piece, size, MPI_BYTE, from, tag, ranks_, &requests.emplace_back()); });
      for_each_piece(outgoing(to), [&](std::byte* piece, int size) { MPI_Isend(piece, size, MPI_BYTE, to, tag, ranks_, &requests.emplace_back()); });
    }
    wait(requests, spin);
  }

  void wait(std::vector<MPI_Request>& requests, bool spin) {
    wait_for_all(requests, spin && room_, [this] { pulse_while_waiting(); });
  }
  void pulse_while_waiting() {
    if (parent_) parent_->pulse_while_waiting();
    else if (pulse_) pulse_->beat();
  }

  /// Places for what the other ranks send of this rank's part, which itself stays where it is.
  std::vector<at::Tensor> parts_around(const at::Tensor& mine) const {
    std::vector<at::Tensor> parts(static_cast<std::size_t>(world_size_));
    for (int rank = 0; rank < world_size_; ++rank) parts[static_cast<std::size_t>(rank)] = rank == rank_ ? mine : at::empty_like(mine);
    return parts;
  }

  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0, world_size_ = 1;
  const int node_;
  const bool room_;  // to spin
  OverMpi* const parent_;
  std::optional<MpiPulse> pulse_;   // from the first pulse() on
};

}  // namespace

std::unique_ptr<Communicator> over_mpi(int group) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return std::make_unique<OverMpi>(MPI_COMM_WORLD, group, node_of_this_process(rank), a_core_for_each_rank(), nullptr);
}

}  // namespace palimpsest
