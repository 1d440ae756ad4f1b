#include "launch/device_of_run.h"

#include <fmt/format.h>

#include "launch/device_text.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/low_rank.h"

namespace palimpsest {

void use_device_of_run(const std::string& run, const std::string& device) {
  std::string why_none;
  if (says_gpu(device) && gpu_count(why_none) == 0)
    throw InputError(
        fmt::format("run {} was computed on {}, and there is no GPU here: {}. Its bits are not those of a CPU: do this "
                    "on a machine with such a GPU.",
                    run, device, why_none));
  use_device(says_gpu(device) ? "cuda" : "cpu", 0);
  fuse_adapters_on_gpus(says_fused_adapters(device));
}

}  // namespace palimpsest
