#include "models/pretrain_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/error.h"
#include "runtime/log.h"

namespace palimpsest {
namespace {

// A quarter of the rank's cores, or all but one where a GPU computes: ranks of one machine have shared those out already.
int loader_threads(const Settings& settings, int cores, at::Device device) {
  const auto asked = static_cast<int>(settings.integer("training.loader_threads"));
  return asked > 0 ? asked : std::max(1, device.is_cpu() ? cores / 4 : cores - 1);
}

AdamW::Options adamw_options(const Settings& settings) {
  return {.learning_rate = {settings.number("training.learning_rate")},
          .weight_decay = {settings.number("training.weight_decay")},
          .beta1 = settings.number("training.beta1"),
          .beta2 = settings.number("training.beta2")};
}

MakeStepRecorder recorder_for(const Settings& settings, const Communicator& world, const PretrainOptions& options) {
  if (!options.recorder) return {};
  const std::string why_not = why_not_recorded(settings, world.world_size());
  if (why_not.empty()) return options.recorder;
  if (world.rank() == 0) log().warn("steps are not recorded as a CUDA graph, but computed one operation after the other: {}", why_not);
  return {};
}

}  // namespace

Precision precision_of(const Settings& settings) { return precision_named(settings.string("training.precision")); }

at::ScalarType type_of_compute(const Settings& settings) { return precision_of(settings) == Precision::kBFloat16 ? at::kBFloat16 : at::kFloat; }

CropRange crop_range(const Settings& settings) {
  return {.smallest = settings.number("training.crop_smallest"),
          .largest = settings.number("training.crop_largest"),
          .aspect = settings.number("training.crop_aspect"),
          .flip = settings.flag("training.flip")};
}

BatchLoader::Options loader_options(const Settings& settings, const Objective& objective, const Communicator& world, const PretrainOptions& options) {
  return {.seed = static_cast<std::uint64_t>(settings.integer("training.seed")),
          .batch = settings.integer("training.batch"),
          .side = static_cast<int>(objective.weights().config.side),
          .crop = crop_range(settings),
          .rank = world.rank(),
          .world_size = world.world_size(),
          .threads = loader_threads(settings, options.threads, options.device),
          .views = objective.compares_images() ? 2 : 1,
          .pinned = options.device.is_cuda()};
}

ShardedTraining::Options sharding_options(const Settings& settings, const Communicator& world, const PretrainOptions& options) {
  return {.strategy = strategy_named(settings.string("sharding.strategy")),
          .within_node = settings.string("sharding.group") == "node",
          .recompute = settings.flag("training.recompute"),
          .compute = type_of_compute(settings),
          .device = options.device,
          .accumulate = settings.integer("training.accumulate"),
          .adamw = adamw_options(settings),
          .recorder = recorder_for(settings, world, options)};
}

int threads_of_rank(const Settings& settings, const Communicator& world, const PretrainOptions& options) {
  if (!options.device.is_cpu() || options.recorder) return 1;
  const int wanted = options.threads;
  const auto images = settings.integer("training.batch") / world.world_size() / settings.integer("training.accumulate");
  if (settings.string("sharding.strategy") != "full") return static_cast<int>(std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, images)));
  if (wanted > 1 && world.rank() == 0)
    log().info("sharding.strategy = \"full\" computes on one thread a rank, not on {}. Start as many ranks as there are cores.", wanted);
  return 1;
}

void refuse_unsupported(const Settings& settings, const Communicator& world, at::Device device) {
  refuse_tf32_on_cpu("training.precision", precision_of(settings), device);
  const std::int64_t parts = world.world_size() * settings.integer("training.accumulate");
  if (settings.integer("training.batch") < parts)
    throw InputError(fmt::format("training.batch = {} leaves some of {} ranks without an image in some of {} parts. Raise it, start fewer ranks, or lower training.accumulate.",
                                 settings.integer("training.batch"), world.world_size(), settings.integer("training.accumulate")));
  if (settings.number("training.crop_smallest") > settings.number("training.crop_largest"))
    throw InputError(fmt::format("training.crop_smallest = {} is more than training.crop_largest = {}. Exchange them.",
                                 settings.number("training.crop_smallest"), settings.number("training.crop_largest")));
}

std::string why_not_recorded(const Settings& settings, int ranks) {
  if (ranks > 1) return fmt::format("{} ranks exchange gradients within each step. Start one rank (launch -n 1) to have steps recorded.", ranks);
  const std::string strategy = settings.string("sharding.strategy");
  if (strategy == "none" || strategy == "optimizer") return "";
  return fmt::format("sharding.strategy = \"{}\" lets go of {} within each step. One rank has nothing to share out: write \"none\" to have steps recorded.", strategy,
                     strategy == "full" ? "weights" : "gradients");
}

}  // namespace palimpsest
