#include "runtime/communicators.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "runtime/agree.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/over_nccl.h"
#include "runtime/through_host.h"

namespace palimpsest {
namespace {

std::unique_ptr<Communicator> mpi(const MpiWorld& world) {
  return world.initialised() ? through_host(over_mpi()) : single_process();
}

// Empty: this rank can.
std::string why_not_over_nccl() {
  std::string why = why_no_nccl();
  if (why.empty() && gpu_count(why) > 0 && !compute_device().is_cuda())
    why = "this rank computes on the CPU. Take --device cuda as well";
  return why.substr(0, why.find_last_not_of(". ") + 1);
}

// How many GPUs the ranks compute on: NCCL wants one for each.
int gpus_of(Communicator& ranks) {
  std::set<std::string> gpus;
  for (int rank = 0; rank < ranks.world_size(); ++rank)
    gpus.insert(text_of_rank(ranks, rank, fmt::format("{} {}", ranks.node(), gpu_place(compute_device()))));
  return static_cast<int>(gpus.size());
}

std::unique_ptr<Communicator> nccl(const MpiWorld& world) {
  auto ranks = mpi(world);
  const auto refuse = [](const std::string& why) {
    if (!why.empty()) throw InputError(fmt::format("--communicator nccl: {}; or take --communicator mpi.", why));
  };
  agree(*ranks, [&] { refuse(why_not_over_nccl()); });
  if (const int gpus = gpus_of(*ranks); gpus < ranks->world_size())
    refuse(fmt::format("NCCL wants a GPU for each rank, and {} ranks compute on {}. Start {} in all, one for each GPU",
                       ranks->world_size(), gpus, gpus));
  return over_nccl(std::move(ranks), {.device = compute_device().index()});
}

// What is best where it is started.
std::unique_ptr<Communicator> automatic(const MpiWorld& world) {
  auto ranks = mpi(world);
  if (ranks->world_size() == 1) return ranks;
  const double able = sum_over_ranks(*ranks, {compute_device().is_cuda() && why_not_over_nccl().empty() ? 1.0 : 0.0})[0];
  if (able < ranks->world_size() || gpus_of(*ranks) < ranks->world_size()) return ranks;
  return over_nccl(std::move(ranks), {.device = compute_device().index()});
}

}  // namespace

const std::vector<CommunicatorKind>& communicators() {
  static const std::vector<CommunicatorKind> list = {
      {"auto", "nccl where each rank has a GPU of its own, else mpi", automatic},
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
