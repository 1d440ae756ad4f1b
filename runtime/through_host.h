#pragma once

#include <memory>

#include "runtime/communicator.h"

namespace palimpsest {

/// Which tensors through_host copies: those that are not in the host's memory; every one, to try the copying where there is no device.
enum class Staged { kOfDevices, kAll };

/// `inner`, which knows tensors in the host's memory alone, for tensors on devices too: they are copied to memory that the device reads and writes
/// by itself (pinned), take part there, and what comes of it is copied back. Sums are therefore those of `inner`, bit for bit. Several ranks may
/// share one GPU, which NCCL refuses. A collective is done when it returns.
std::unique_ptr<Communicator> through_host(std::unique_ptr<Communicator> inner, Staged = Staged::kOfDevices);

}  // namespace palimpsest
