#include "runtime/communicators.h"

#include <algorithm>

#include <fmt/format.h>

#include "runtime/agree.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/over_nccl.h"

namespace palimpsest {
namespace {

std::unique_ptr<Communicator> mpi(const MpiWorld& world) { return world.initialised() ? over_mpi() : single_process(); }

void refuse_nccl_without_gpus(const MpiWorld& world) {
  std::string why = why_no_nccl();
  const int gpus = why.empty() ? gpu_count(why) : 0;
  if (gpus > 0 && world.local_rank() >= gpus)
    why = fmt::format("NCCL wants a GPU for each rank, and this host has {} ranks and {}. Start {} here",
                      world.local_size(), gpus, gpus);
  if (!why.empty())
    throw InputError(fmt::format("--communicator nccl: {}; or take --communicator mpi.",
                                 why.substr(0, why.find_last_not_of(". ") + 1)));
}

std::unique_ptr<Communicator> nccl(const MpiWorld& world) {
  auto ranks = mpi(world);
  agree(*ranks, [&] { refuse_nccl_without_gpus(world); });
  return over_nccl(std::move(ranks), {.device = world.local_rank()});
}

}  // namespace

const std::vector<CommunicatorKind>& communicators() {
  static const std::vector<CommunicatorKind> list = {
      {"mpi", "through the hosts' memory", mpi},
      {"nccl", "tensors on GPUs directly, all others as mpi does", nccl},
  };
  return list;
}

std::unique_ptr<Communicator> communicator_named(const std::string& name, const MpiWorld& world) {
  const auto found = std::ranges::find(communicators(), name, &CommunicatorKind::name);
  if (found != communicators().end()) return found->make(world);
  std::string names;
  for (const auto& kind : communicators()) names += (names.empty() ? "" : ", ") + kind.name;
  throw InputError(fmt::format("--communicator {}: there is none of this name. Take one of: {}.", name, names));
}

}  // namespace palimpsest
