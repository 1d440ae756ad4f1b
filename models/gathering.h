#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include <ATen/core/Tensor.h>

#include "runtime/communicator.h"

namespace palimpsest {

/// What the threads of all ranks know of their parts of one batch, brought together: for objectives that compare images
/// with each other. Rank r of W has the rows r * B / W to (r + 1) * B / W of B, split alike over its threads.
class Gathering {
 public:
  Gathering(Communicator& world, int threads)
      : world_(world), threads_(threads), handed_in_(static_cast<std::size_t>(threads)) {}

  /// This thread's rows [n, D] -> those of all [rows, D], in their order: an all-gather. Its gradient is a
  /// reduce-scatter: what all threads of all ranks made of a row is added up where the row came from. Every thread of
  /// every rank calls it, and goes through its backward, in the same order.
  at::Tensor all(const at::Tensor& mine, std::int64_t rows, int thread);

  /// Lets threads that wait for one that has thrown throw too. The object is of no further use.
  void abandon();

  // The two ways, without autograd.
  at::Tensor gather(const at::Tensor& mine, std::int64_t rows, int thread);
  at::Tensor scatter_sum(const at::Tensor& whole, std::int64_t mine, int thread);

 private:
  /// Thread 0 acts when all have come; all leave when it is done.
  void together(int thread, const std::function<void()>& act);
  std::int64_t first_row(int rank, std::int64_t rows) const { return rank * rows / world_.world_size(); }
  std::int64_t largest_part(std::int64_t rows) const { return (rows + world_.world_size() - 1) / world_.world_size(); }

  Communicator& world_;
  const int threads_;
  std::vector<at::Tensor> handed_in_;  // by each thread, before all have come
  at::Tensor result_;                  // by thread 0, for all
  std::mutex mutex_;
  std::condition_variable changed_;
  // Protected by mutex_.
  int come_ = 0;
  std::int64_t times_ = 0;
  bool abandoned_ = false;
};

}  // namespace palimpsest
