#include "launch/pack_room.h"

#include <fmt/format.h>

#include "launch/device_text.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/step_graph.h"
#include "sweeps/packs.h"

namespace palimpsest {
namespace {

// On a core, larger packs are no faster; on a GPU they are what keeps it busy.
constexpr std::int64_t kLargestOnCpu = 16, kLargestOnGpu = 4096;
constexpr double kShareOfGpu = 0.6;   // of what is free on it

}  // namespace

void use_device_for(const Study& study, const std::string& choice) {
  if (!study.on_gpu && choice.starts_with("cuda"))
    throw InputError(fmt::format("--device {}: the study {} computes on the CPU alone. Leave --device out.", choice, study.name));
  use_device(study.on_gpu || choice != "auto" ? choice : "cpu", /*local_rank=*/0);
}

std::string machine_of_packs() {
  const std::string device = without_number(device_text(compute_device()));
  return records_steps(compute_device()) ? device + ", steps recorded" : device;
}

PackRoom room_for_packs(int ranks_here) {
  const auto device = compute_device();
  if (device.is_cpu()) return {memory_of_worker(ranks_here), kLargestOnCpu};
  std::string why_none;
  const int gpus = gpu_count(why_none), ranks_of_one = (ranks_here + gpus - 1) / gpus;
  return {static_cast<std::uint64_t>(kShareOfGpu * static_cast<double>(free_memory(device))) / static_cast<std::uint64_t>(ranks_of_one), kLargestOnGpu};
}

}  // namespace palimpsest
