#include "runtime/sharding.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>

#include "runtime/error.h"

namespace palimpsest {
namespace {

// The node of each rank.
std::vector<std::int64_t> nodes_of(Communicator& world) {
  auto nodes = at::empty({world.world_size()}, at::kLong);
  world.all_gather(nodes, at::full({1}, world.node(), at::kLong));
  return {nodes.data_ptr<std::int64_t>(), nodes.data_ptr<std::int64_t>() + nodes.numel()};
}

// How many ranks before this one are on its node: ranks of the same number hold the same share.
int place_in_node(Communicator& world) {
  const auto nodes = nodes_of(world);
  std::map<std::int64_t, int> counts;
  int place = 0;
  for (int rank = 0; rank < world.world_size(); ++rank) {
    if (rank == world.rank()) place = counts[nodes[rank]];
    ++counts[nodes[rank]];
  }
  for (const auto& [node, count] : counts)
    if (count != counts.begin()->second)
      throw InputError(
          fmt::format("sharding.group = \"node\" needs as many ranks on every node, but the node of rank {} has {} and "
                      "that of rank {} has {}. "
                      "Start equally many on each, or write sharding.group = \"world\".",
                      counts.begin()->first, counts.begin()->second, node, count));
  return place;
}

}  // namespace

Strategy strategy_named(const std::string& name) {
  if (name == "none") return Strategy::kNone;
  if (name == "optimizer") return Strategy::kOptimizer;
  return name == "gradients" ? Strategy::kGradients : Strategy::kFull;
}

ShardGroups::ShardGroups(Communicator& world, CommunicationThread& thread, Strategy strategy, bool within_node)
    : world(world), thread(thread) {
  if (strategy == Strategy::kNone) {
    shard = single_process();
    replica = world.split(0);
  } else if (within_node) {
    const int place = place_in_node(world);
    shard = world.split(world.node());
    replica = world.split(place);
  } else {
    shard = world.split(0);
    replica = single_process();
  }
}

ShardGroups::~ShardGroups() {
  thread
      .post("leave",
            [this] {
              shard.reset();
              replica.reset();
            })
      .wait();
}

}  // namespace palimpsest
