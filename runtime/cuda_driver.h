#pragma once

#include <dlfcn.h>

#include <string>

namespace palimpsest {

/// The few functions of NVIDIA's driver that say what is there, looked up by name: the program is not linked with it.
class CudaDriver {
 public:
  CudaDriver() : library_(dlopen("libcuda.so.1", RTLD_NOW)), error_(there() ? call("cuInit", 0u) : -1) {}
  bool there() const { return library_ != nullptr; }
  int error() const { return error_; }  // of its start; 0: none

  /// The driver's error code; -1 where it has no such function.
  template <class... Arguments>
  int call(const char* name, Arguments... arguments) const {
    auto* function = reinterpret_cast<int (*)(Arguments...)>(dlsym(library_, name));
    return function ? function(arguments...) : -1;
  }
  /// "NVIDIA H200", by its number among those that CUDA_VISIBLE_DEVICES shows; "unknown GPU" where it cannot be asked.
  std::string name_of(int number) const { return told("cuDeviceGetName", number, "unknown GPU"); }
  /// "0000:9b:00.0", where it is plugged in: a number is another device in a process that is shown others. Empty where it cannot be asked.
  std::string place_of(int number) const { return told("cuDeviceGetPCIBusId", number, ""); }

 private:
  std::string told(const char* function, int number, const char* otherwise) const {
    char text[256] = "";
    int device = 0;
    const bool there = error_ == 0 && call("cuDeviceGet", &device, number) == 0 && call(function, &text[0], static_cast<int>(sizeof text), device) == 0;
    return there ? text : otherwise;
  }

  void* const library_;  // for the length of the program
  const int error_;
};

}  // namespace palimpsest
