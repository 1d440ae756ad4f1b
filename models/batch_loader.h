#pragma once

#include <future>

#include "models/augment.h"
#include "models/held_images.h"
#include "models/objective.h"

namespace palimpsest {

/// Makes the batches of training, one step ahead of their use, in a thread of its own.
///
/// Epoch e shows the images in the order of a permutation drawn for it; the batch of step s is the next `batch` of that endless row,
/// and this rank's part of it lies between places rank * batch / world_size and (rank + 1) * batch / world_size. What is drawn for an image
/// is a function of (seed, image, epoch). So neither ranks nor stops and resumptions change what is computed.
class BatchLoader {
 public:
  struct Options {
    std::uint64_t seed = 0;
    std::int64_t batch = 64;      // images of all ranks
    int side = 64;                // pixels
    CropRange crop;
    int rank = 0, world_size = 1;
  };
  /// The images must outlive the loader.
  BatchLoader(const HeldImages& images, const Options& options) : images_(images), options_(options) {}

  Batch batch(std::int64_t step);

 private:
  Batch make(std::int64_t step);
  std::int64_t image_at(std::int64_t epoch, std::int64_t place);

  const HeldImages& images_;
  const Options options_;
  std::int64_t ahead_step_ = -1;
  // Touched by the thread that makes a batch, of which there is at most one.
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;
  std::future<Batch> ahead_;      // last member: waits for that thread before the others go
};

}  // namespace palimpsest
