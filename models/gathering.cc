#include "models/gathering.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <stdexcept>

namespace palimpsest {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct GatherFunction : torch::autograd::Function<GatherFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& mine, std::int64_t rows, std::int64_t thread,
                            std::int64_t gathering) {
    context->saved_data["mine"] = mine.size(0);
    context->saved_data["thread"] = thread;
    context->saved_data["gathering"] = gathering;
    return reinterpret_cast<Gathering*>(gathering)->gather(mine, rows, static_cast<int>(thread));
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto* gathering = reinterpret_cast<Gathering*>(context->saved_data["gathering"].toInt());
    const auto thread = static_cast<int>(context->saved_data["thread"].toInt());
    return {gathering->scatter_sum(gradients[0].contiguous(), context->saved_data["mine"].toInt(), thread), {}, {}, {}};
  }
};

}  // namespace

at::Tensor Gathering::all(const at::Tensor& mine, std::int64_t rows, int thread) {
  return GatherFunction::apply(mine, rows, static_cast<std::int64_t>(thread), reinterpret_cast<std::int64_t>(this));
}

// Ranks may differ by a row, collectives may not: parts are filled up to the largest, and the filling is left out
// again.
at::Tensor Gathering::gather(const at::Tensor& mine, std::int64_t rows, int thread) {
  handed_in_[static_cast<std::size_t>(thread)] = mine.detach();
  together(thread, [&] {
    const int W = world_.world_size();
    const std::int64_t largest = largest_part(rows), width = mine.size(1);
    auto part = at::zeros({largest, width}, mine.options());
    const auto own = at::cat(handed_in_);
    part.slice(0, 0, own.size(0)).copy_(own);
    auto whole = at::empty({W * largest, width}, mine.options());
    world_.all_gather(whole, part);
    std::vector<at::Tensor> parts;
    for (int rank = 0; rank < W; ++rank)
      parts.push_back(
          whole.slice(0, rank * largest, rank * largest + first_row(rank + 1, rows) - first_row(rank, rows)));
    result_ = at::cat(parts);
  });
  return result_.alias();  // of one memory for all threads, which only read it
}

at::Tensor Gathering::scatter_sum(const at::Tensor& whole, std::int64_t mine, int thread) {
  handed_in_[static_cast<std::size_t>(thread)] = whole;
  together(thread, [&] {
    const int W = world_.world_size();
    const std::int64_t rows = whole.size(0), largest = largest_part(rows);
    auto sum = handed_in_[0];
    for (int other = 1; other < threads_; ++other) sum = sum + handed_in_[static_cast<std::size_t>(other)];
    auto by_rank = at::zeros({W * largest, whole.size(1)}, whole.options());
    for (int rank = 0; rank < W; ++rank) {
      const std::int64_t first = first_row(rank, rows), end = first_row(rank + 1, rows);
      by_rank.slice(0, rank * largest, rank * largest + end - first).copy_(sum.slice(0, first, end));
    }
    result_ = at::empty({largest, whole.size(1)}, whole.options());
    world_.reduce_scatter(result_, by_rank, Reduction::kSum);
  });
  const std::int64_t rows = whole.size(0),
                     of_rank = first_row(world_.rank() + 1, rows) - first_row(world_.rank(), rows);
  const std::int64_t first = thread * of_rank / threads_;
  return result_.slice(0, first, first + mine).clone();
}

void Gathering::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_all();
}

// The mutex also makes what one thread has written visible to the next.
void Gathering::together(int thread, const std::function<void()>& act) {
  const auto give_up = [] { throw std::runtime_error("another thread of this rank has failed"); };
  std::unique_lock lock(mutex_);
  const std::int64_t before = times_;
  ++come_;
  changed_.notify_all();
  if (thread != 0) {
    changed_.wait(lock, [&] { return times_ != before || abandoned_; });
    if (times_ == before) give_up();
    return;
  }
  changed_.wait(lock, [&] { return come_ == threads_ || abandoned_; });
  if (abandoned_) give_up();
  act();  // the others sleep
  come_ = 0;
  ++times_;
  changed_.notify_all();
}

}  // namespace palimpsest
