#pragma once

#include <chrono>
#include <optional>

#include "launch/finding.h"

namespace palimpsest {

/// What joins a GPU to the others of its host.
struct GpuLink {
  int nvlinks = 0;         // that are up
  double nvlink_rate = 0;  // bytes/s of one of them, each way
  int pcie_generation = 0, pcie_lanes = 0;

  double rate() const;  // bytes/s each way: of its NVLinks together, or, where it has none, of PCIe; 0: not known
};

/// An all-reduce by NCCL over the GPUs of a host. It is told from one process to another, as it lies in memory.
struct AllReduceTrial {
  int gpus = 0;
  double bytes = 0;    // of each GPU's tensor
  double seconds = 0;  // of one all-reduce; 0: none came about
  GpuLink link = {};  // of the GPU whose is slowest
  char why_not[512] = "";  // in NCCL's own words, or the driver's

  /// What crosses each GPU's link, each way, in a second: whatever the algorithm, 2 (n - 1) / n of the tensor must.
  double bus_rate() const;
};

/// Tries it over all GPUs that the driver shows. Nothing where there is none, or no NCCL for several. To be called before this process asks the
/// driver for anything: the trial is a copy of it, in which a driver that was at work would not be.
std::optional<AllReduceTrial> try_all_reduce(std::chrono::milliseconds limit = std::chrono::seconds(10));

/// What that means for ranks that exchange gradients, and what to do about less than half of what the link has.
Finding all_reduce_found(const AllReduceTrial&);

}  // namespace palimpsest
