#pragma once

#include <optional>

#include "models/augment.h"
#include "models/held_images.h"
#include "models/objective.h"
#include "runtime/communicator.h"
#include "runtime/crew.h"

namespace palimpsest {

/// Held-out images with fixed masks: the same whatever the seed of training, so that runs can be compared. Shared out over ranks and threads.
class Validation {
 public:
  /// `chunk`: images that go through the network at once. `pairs`: for an objective that compares images: two crops of each are drawn, the same ones
  /// each time, and a chunk is never split, so that what an image is compared with depends on neither ranks nor threads.
  /// `device`: where they are measured.
  Validation(const HeldImages& squares, std::int64_t chunk, Communicator&, Crew&, const std::optional<CropRange>& pairs = {}, at::Device device = at::kCPU);

  double loss(const Objective&) const;                                   // every rank calls it
  std::map<std::string, double> baselines(const Objective&) const;       // likewise
  Batch first(std::int64_t count) const;                                 // to look at

 private:
  Batch range(std::int64_t first, std::int64_t end) const;
  /// Adds up what `measure` says of each chunk of this rank's share, then over the ranks.
  std::map<std::string, double> summed(const std::function<std::map<std::string, double>(const Batch&)>& measure) const;

  at::Tensor images_;   // [V, 3, S, S]
  at::Tensor second_;   // likewise, of pairs
  std::int64_t chunk_;
  Communicator& world_;
  Crew& crew_;
  const at::Device device_;
};

}  // namespace palimpsest
