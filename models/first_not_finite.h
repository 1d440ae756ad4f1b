#pragma once

#include <string>

#include "models/sharded_training.h"

namespace palimpsest {

/// Where numbers stop being finite: the batch goes forward once more, block by block; where that finds nothing, the
/// gradients are looked at. The first such place on any rank: "the output of encoder block 3 (rank 1)". Every rank
/// calls it.
std::string first_not_finite(ShardedTraining&, const Objective&, const Batch&, Communicator&);

}  // namespace palimpsest
