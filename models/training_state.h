#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/slow_weights.h"
#include "runtime/adamw.h"
#include "runtime/communicator.h"

namespace palimpsest {

/// Everything a training run needs to go on as if it had never stopped: weights, moments, step, and the losses so far. (Random numbers need
/// nothing kept: they are functions of the step.)
class TrainingState {
 public:
  /// Matrices decay; biases, norms, positions and tokens do not.
  TrainingState(SlowWeights& weights, AdamW::Options options);

  AdamW& optimizer() { return optimizer_; }

  std::int64_t step = 0;     // updates done
  std::string losses;        // of losses.csv: a line per step

  /// Into a checkpoint's folder: weights.safetensors (slow weights like any), optimizer.safetensors, losses.csv.
  void write(const std::filesystem::path& folder, const std::map<std::string, std::string>& metadata) const;
  /// Takes them back. Throws InputError where they do not fit the model.
  void read(const std::filesystem::path& folder, std::int64_t at_step);
  /// Gives every rank what `root` has, but for the losses.
  void broadcast(Communicator&, int root);

 private:
  SlowWeights& weights_;
  std::vector<std::string> names_;   // of the optimizer's slots
  AdamW optimizer_;
};

}  // namespace palimpsest
