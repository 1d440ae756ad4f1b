#include "launch/all_reduce_trial.h"

#include <fmt/core.h>

#include <iterator>

#include "runtime/words.h"

namespace palimpsest {
namespace {

constexpr const char* kWhat = "NCCL all-reduce";
constexpr double kEnough = 0.5;  // of the link's rate: protocol and latency take a fifth and more of it

// Bytes/s of one lane, each way, after the line code.
double rate_of_lane(int generation) {
  constexpr double kRates[] = {0, 0.25e9, 0.5e9, 0.985e9, 1.969e9, 3.938e9, 7.563e9};
  return generation >= 1 && generation < static_cast<int>(std::size(kRates)) ? kRates[generation] : 0;
}

std::string name_of(const GpuLink& link) {
  if (link.nvlinks > 0) return counted(link.nvlinks, "NVLink");
  return fmt::format("PCIe {}.0 x{}", link.pcie_generation, link.pcie_lanes);
}

Finding none_came_about(const AllReduceTrial& trial) {
  return {kWhat, Grade::kNote, fmt::format("none over {} GPUs: {}", trial.gpus, trial.why_not),
          "ranks of this host cannot talk through NCCL",
          "NCCL_DEBUG=INFO palimpsest doctor tells more (in a container NCCL wants shared memory: docker run --shm-size=1g --ulimit memlock=-1); until then, pretrain "
          "--communicator mpi"};
}

std::string advice_on(const GpuLink& link) {
  if (link.nvlinks > 0)
    return "Look whether GPUs see each other over NVLink (nvidia-smi topo -m shows NV and a number), whether all links are up (nvidia-smi nvlink -s), whether "
           "nvidia-fabricmanager runs where there is an NVSwitch, and for NCCL_P2P_DISABLE in the environment";
  return "Look how GPUs reach each other (nvidia-smi topo -m; SYS is by way of both processors): PCIe ACS or an IOMMU that is on sends all through the host's memory, "
         "and NCCL_P2P_DISABLE does";
}

}  // namespace

double GpuLink::rate() const { return nvlinks > 0 ? nvlinks * nvlink_rate : pcie_lanes * rate_of_lane(pcie_generation); }

double AllReduceTrial::bus_rate() const { return seconds > 0 ? bytes * 2 * (gpus - 1) / gpus / seconds : 0; }

Finding all_reduce_found(const AllReduceTrial& trial) {
  if (trial.gpus < 2) return {kWhat, Grade::kGood, "one GPU", "there is no pair to measure", {}};
  if (trial.seconds <= 0) return none_came_about(trial);
  const double rate = trial.bus_rate(), whole = trial.link.rate();
  Finding finding{kWhat, Grade::kGood, fmt::format("{:.3g} GB/s over {} GPUs", rate / 1e9, trial.gpus), {}, {}};
  if (whole <= 0) {
    finding.means = "what their links could do is not known: the driver's libnvidia-ml.so.1 does not tell";
    return finding;
  }
  finding.found += fmt::format(", {:.0f} % of the {:.3g} GB/s of {}", 100 * rate / whole, whole / 1e9, name_of(trial.link));
  finding.means = "gradients are exchanged about as fast as this link allows";
  if (rate >= kEnough * whole) return finding;
  finding.grade = Grade::kNote;
  finding.means = fmt::format("ranks wait {:.1f} times as long for gradients as this link would have them", whole / rate);
  finding.advice = advice_on(trial.link);
  return finding;
}

}  // namespace palimpsest
