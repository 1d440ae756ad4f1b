#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/event_file.h"

namespace palimpsest {

/// One update of the weights.
struct StepFacts {
  std::int64_t step = 0;
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  double seconds = 0;  // that it took, with what else came after the step before: validation, pictures, a checkpoint
  double waited = 0;   // of these, for images
};

/// How fast training was over some steps.
struct Speed {
  double images_per_second = 0;
  double share_of_floor = 0;  // of the FLOP/s that large matrix products reach on the same cores
  double waited_share = 0;  // of the time, for images
};

/// The curves and pictures of a run for TensorBoard: OUT/events.
class TrainingEvents {
 public:
  struct Options {
    std::int64_t every = 10;  // steps between two points of a curve
    std::int64_t batch = 64;  // images of a step, over all ranks
    double flops_per_image = 0;
    double floor = 0;  // FLOP/s of all ranks
  };
  /// `step`: what comes after it is written anew.
  TrainingEvents(const std::filesystem::path& folder, std::int64_t step, const Options& options)
      : options_(options), file_(folder, step) {}

  void step(const StepFacts&);
  void validation(std::int64_t step, double loss);
  void pictures(std::int64_t step, const Image&);
  Speed speed() const { return speed_of(all_); }  // of all steps so far

 private:
  struct Sum {
    std::int64_t steps = 0;
    double seconds = 0, waited = 0;
  };
  Speed speed_of(const Sum&) const;

  const Options options_;
  EventFile file_;
  Sum all_, since_;  // since the last point
};

}  // namespace palimpsest
