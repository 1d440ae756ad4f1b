#include "models/replicas.h"

#include <ATen/ATen.h>

#include <numeric>

namespace palimpsest {

Batch part_of(const Batch& whole, std::int64_t part, std::int64_t parts) {
  const std::int64_t n = whole.images.size(0), first = part * n / parts, end = (part + 1) * n / parts;
  return {.images = whole.images.slice(0, first, end),
          .second = whole.second.defined() ? whole.second.slice(0, first, end) : at::Tensor(),
          .streams = {whole.streams.begin() + first, whole.streams.begin() + end},
          .global_size = whole.global_size,
          .first = whole.first + first,
          .training = whole.training,
          .drawn = parts == 1 ? whole.drawn : nullptr};
}

Replicas::Replicas(const ObjectiveInfo& info, const Settings& settings, const RandomStream& initial, Communicator& world, int threads)
    : crew_(threads), gathering_(world, threads) {
  for (int thread = 0; thread < threads; ++thread) objectives_.push_back(info.build(settings, initial));
}

std::vector<SlowWeights*> Replicas::weights() {
  std::vector<SlowWeights*> all;
  for (auto& objective : objectives_) all.push_back(&objective->weights());
  return all;
}

std::vector<at::Tensor> Replicas::backward(const Batch& batch, const std::vector<BlockRunner*>& runners) {
  std::vector<at::Tensor> shares(objectives_.size());
  crew_.each([&](int thread) {
    const BlockRunnerScope scope(runners[thread]);
    Batch part = part_of(batch, thread, crew_.size());
    part.gather = [this, thread, rows = batch.global_size](const at::Tensor& mine) { return gathering_.all(mine, rows, thread); };
    try {
      const at::Tensor loss = objectives_[thread]->loss(part);
      loss.backward();
      shares[thread] = loss.detach();
    } catch (...) {
      gathering_.abandon();
      throw;
    }
  });
  return shares;
}

double sum_of(const std::vector<at::Tensor>& losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0, [](double sum, const at::Tensor& loss) { return sum + loss.item<double>(); });
}

}  // namespace palimpsest
