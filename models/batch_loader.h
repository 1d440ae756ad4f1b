#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "models/crop_source.h"
#include "models/objective.h"

namespace palimpsest {

/// Makes the batches of training ahead of their use, in threads of its own.
///
/// Epoch e shows the images in the order of a permutation drawn for it; the batch of step s is the next `batch` of that
/// endless row, and this rank's part of it lies between places rank * batch / world_size and (rank + 1) * batch /
/// world_size. What is drawn for an image is a function of (seed, image, epoch). So neither ranks nor threads nor stops
/// and resumptions change what is computed.
class BatchLoader {
 public:
  struct Options {
    std::uint64_t seed = 0;
    std::int64_t batch = 64;  // images of all ranks
    int side = 64;            // pixels
    CropRange crop;
    int rank = 0, world_size = 1;
    int threads = 1;
    int ahead = 2;  // batches that are ready or in the making; memory grows with it
    int views = 1;  // crops of each image: 1, or 2 (Batch::second)
    bool pinned = false;  // in memory from which a GPU takes batches by itself
  };
  /// The images must outlive the loader.
  BatchLoader(const CropSource& images, const Options& options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// Throws what reading an image threw.
  Batch batch(std::int64_t step);

  /// Seconds that batch() has waited for images so far.
  double waited() const { return waited_; }

 private:
  /// A batch in the making. Its crops are handed to threads one by one.
  struct Making {
    std::int64_t step = 0;
    Batch batch;
    std::vector<std::int64_t> images;  // their indices
    std::int64_t begun = 0, missing = 0;
    std::exception_ptr thrown;
  };
  std::shared_ptr<Making> begin(std::int64_t step);
  void fill_row(std::int64_t first_step);
  std::shared_ptr<Making> unbegun() const;
  void work();
  void make(Making&, std::int64_t crop) const;
  std::int64_t image_at(std::int64_t epoch, std::int64_t place);

  const CropSource& images_;
  const Options options_;
  // Of the thread that calls batch().
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;
  double waited_ = 0;
  std::mutex mutex_;
  std::condition_variable more_, made_;
  // Protected by mutex_.
  std::deque<std::shared_ptr<Making>> row_;  // of consecutive steps
  bool leaving_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace palimpsest
