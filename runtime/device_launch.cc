#include "runtime/device_launch.h"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <stdexcept>

#include <c10/core/DeviceGuard.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

namespace palimpsest {
namespace {

const DeviceKernels* loaded() {
  static const DeviceKernels* const found = [] {
    void* library = dlopen("libpalimpsest_cuda.so", RTLD_NOW | RTLD_LOCAL);
    return library ? static_cast<const DeviceKernels*>(dlsym(library, "palimpsest_device_kernels")) : nullptr;
  }();
  return found;
}

bool run_on(const DeviceKernels& kernels, c10::Device device) {
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, bool> known;
  const std::lock_guard lock(mutex);
  const auto [place, is_new] = known.try_emplace(device.index());
  if (is_new) {
    const c10::DeviceGuard current(device);
    place->second = kernels.run_here() == 0;
  }
  return place->second;
}

// As CUDA knows it. LibTorch numbers the default one 0.
void* current_stream(c10::Device device) {
  const auto stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  return stream.id() == 0 ? nullptr : stream.native_handle();
}

}  // namespace

const DeviceKernels* kernels_for(c10::Device device) {
  if (!device.is_cuda() || !loaded()) return nullptr;
  return run_on(*loaded(), device) ? loaded() : nullptr;
}

void launch(const DeviceKernels& kernels, c10::Device device, const char* name, const std::function<int(void*)>& kernel) {
  const c10::DeviceGuard current(device);
  if (const int error = kernel(current_stream(device)))
    throw std::runtime_error(
        fmt::format("CUDA error: {} on {} ended with {}", name, device.str(), kernels.error_name(error)));
}

}  // namespace palimpsest
