#pragma once

#include "models/batch_loader.h"
#include "models/pretrain.h"
#include "models/sharded_training.h"
#include "runtime/precision.h"

namespace palimpsest {

// What a definition says to each part of a pretraining, on this rank.

Precision precision_of(const Settings&);
at::ScalarType type_of_compute(const Settings&);
CropRange crop_range(const Settings&);
BatchLoader::Options loader_options(const Settings&, const Objective&, const Communicator& world, const PretrainOptions&);
ShardedTraining::Options sharding_options(const Settings&, const Communicator& world, const PretrainOptions&);
/// Several threads would need a row each to gather blocks into, under `full`; steps are recorded on one.
int threads_of_rank(const Settings&, const Communicator& world, const PretrainOptions&);

/// Throws InputError for what goes together on no rank.
void refuse_unsupported(const Settings&, const Communicator& world, at::Device);

/// Why the steps are not the same work on the same tensors each time, and what to change; empty: they are.
std::string why_not_recorded(const Settings&, int ranks);

}  // namespace palimpsest
