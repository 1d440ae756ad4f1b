#pragma once

#include <filesystem>
#include <functional>

#include "runtime/communicator.h"
#include "runtime/settings.h"

namespace palimpsest {

/// The keys of a pretraining definition: [model] size or width/depth/heads/..., [objective] name, mask, [images], [training], [sharding], ...
const KeyTable& pretrain_keys();

struct PretrainOptions {
  std::filesystem::path out;                     // checkpoints/, weights.safetensors, pictures/, losses.csv
  std::function<bool()> should_stop;             // polled between steps; true: write a checkpoint and throw Interrupted
};

struct PretrainResult {
  std::int64_t steps = 0;
  double validation_loss = 0, baseline_mean_colour = 0, baseline_neighbours = 0;
};

/// Trains slow weights over all ranks of the communicator, from the newest whole checkpoint in `out` where there is one. A resumed run equals an
/// undisturbed one bit for bit. Throws InputError, Interrupted.
PretrainResult pretrain(const Settings&, Communicator&, const PretrainOptions&);

}  // namespace palimpsest
