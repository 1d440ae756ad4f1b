#pragma once

#include <functional>
#include <memory>

#include <ATen/core/Tensor.h>

namespace palimpsest {

enum class Reduction { kSum, kMean, kMax };

/// What a thread calls before it computes with the results of collectives; empty: they are there.
using Fence = std::function<void()>;

/// Ranks that call the same collectives in the same order. One process is a legal world. Tensors are contiguous, float32
/// or bfloat16 (broadcast: any type), of the same shape and type on every rank; a sum is formed in rank order, so that it
/// is the same bits on every rank and in every call. bfloat16 is reduced in float32 and rounded once.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int world_size() const = 0;
  virtual void all_reduce(at::Tensor& in_place, Reduction) = 0;
  /// whole [world_size * n, ...] -> part [n, ...]: the rank-th part of the reduction.
  virtual void reduce_scatter(at::Tensor& part, const at::Tensor& whole, Reduction) = 0;
  /// part [n, ...] -> whole [world_size * n, ...], in rank order.
  virtual void all_gather(at::Tensor& whole, const at::Tensor& part) = 0;
  virtual void broadcast(at::Tensor& in_place, int root) = 0;
  virtual void barrier() = 0;
  /// Collectives on a device may be under way when they return: what is computed there after the fence waits for all that were called before it.
  virtual Fence fence() { return {}; }

  /// The ranks that give the same `group`, in their order: a collective itself. The result must not outlive this.
  virtual std::unique_ptr<Communicator> split(int group) = 0;
  /// A number that the ranks of one machine share: the first of them.
  virtual int node() const = 0;

  /// Shows the next rank that this one lives, and looks for the one before: whoever speaks for this rank calls it at least once a second, also
  /// while it waits. From the first call on a rank that shows nothing for 20 s (PALIMPSEST_SILENCE, in seconds)
  /// ends the world by name (exit code 3).
  virtual void pulse() {}
  virtual void last_pulse() {}   // takes leave, so that silence means nothing from here on
};

std::unique_ptr<Communicator> single_process();  // every collective leaves its input as it is

/// The ranks of the world this process was started in (mpi_world.h) that give the same `group`, in their order. A collective itself: every
/// rank of that world calls it. Where a rank is lost later on, the world ends with exit code 3. PALIMPSEST_NODE, a number, stands for the
/// machine's where several machines are to be tried on one.
std::unique_ptr<Communicator> over_mpi(int group = 0);

}  // namespace palimpsest
