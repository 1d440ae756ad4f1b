#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <c10/core/Device.h>

#include "runtime/communicator.h"
#include "runtime/settings.h"
#include "runtime/step_graph.h"
#include "runtime/timeline.h"

namespace palimpsest {

/// The keys of a pretraining definition: [model] size or width/depth/heads/..., [objective] name, mask, [images], [validation], [training],
/// [sharding].
const KeyTable& pretrain_keys();

struct PretrainOptions {
  std::filesystem::path out;                     // checkpoints/, weights.safetensors, pictures/, losses.csv, definition.toml
  std::function<bool()> should_stop;             // polled each step on every rank; true on any: write a checkpoint and throw Interrupted
  int threads = 1;                               // of this rank, equal on all; each takes a part of the rank's images
  bool accept_changes = false;                   // go on with a run whose settings were others
  Timeline* timeline = nullptr;                  // where what this rank does is told
  at::Device device = at::kCPU;                  // of this rank, of one kind on all; on a GPU one thread computes
  MakeStepRecorder recorder = {};                // of steps, where they can be recorded; empty: none is
  std::string build = {};                        // of the program: equal on all ranks
};

struct PretrainResult {
  std::int64_t steps = 0;
  double validation_loss = 0;
  std::map<std::string, double> baselines;       // by name (objective.h): the loss of predictions without a network, on the same images
};

/// Trains slow weights over all ranks of the communicator, from the newest whole checkpoint in `out` where there is one. A resumed run equals an
/// undisturbed one bit for bit on CPUs; the loss curve does not depend on the number of ranks (to rounding). Only rank 0 writes and prints.
/// Throws InputError (on all ranks alike), Interrupted, and Error when the loss is no number any more.
PretrainResult pretrain(const Settings&, Communicator&, const PretrainOptions&);

}  // namespace palimpsest
