#include "runtime/device_kernels.h"

#include <dlfcn.h>

namespace palimpsest {

const DeviceKernels* device_kernels() {
  static const DeviceKernels* const found = [] {
    void* library = dlopen("libpalimpsest_cuda.so", RTLD_NOW | RTLD_LOCAL);
    return library ? static_cast<const DeviceKernels*>(dlsym(library, "palimpsest_device_kernels")) : nullptr;
  }();
  return found;
}

}  // namespace palimpsest
