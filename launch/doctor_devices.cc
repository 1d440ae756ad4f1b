#include <dlfcn.h>
#include <fmt/core.h>
#include <torch/headeronly/version.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "launch/all_reduce_trial.h"
#include "launch/doctor.h"
#include "runtime/cuda_driver.h"
#include "runtime/words.h"

namespace palimpsest {
namespace {

struct Devices {
  int cuda = 0;  // the newest CUDA the driver speaks: 13000 is 13.0
  std::vector<std::string> names;
  int error = 0;  // of the driver; 0: none
};

std::string text_of(const CudaDriver& driver, int number) {
  std::size_t bytes = 0;
  int device = 0;
  driver.call("cuDeviceGet", &device, number);
  driver.call("cuDeviceTotalMem_v2", &bytes, device);
  return fmt::format("{} {:.0f} GiB", driver.name_of(number), static_cast<double>(bytes) / (1 << 30));
}

Devices devices_of(const CudaDriver& driver) {
  Devices devices;
  driver.call("cuDriverGetVersion", &devices.cuda);
  devices.error = driver.error();
  int count = 0;
  if (devices.error == 0) devices.error = driver.call("cuDeviceGetCount", &count);
  for (int i = 0; i < count; ++i) devices.names.push_back(text_of(driver, i));
  return devices;
}

// The folder of the LibTorch that this process runs on.
std::filesystem::path torch_folder() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (const auto at = line.find('/'); at != std::string::npos && line.ends_with("/libtorch_cpu.so"))
      return std::filesystem::path(line.substr(at)).parent_path();
  return {};
}

// The CUDA that LibTorch's GPU half was made for, by the runtime it comes with: 13.
std::optional<int> cuda_of_torch() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (const auto at = line.find("libcudart.so."); at != std::string::npos) return std::atoi(line.c_str() + at + 13);
  return std::nullopt;
}

Finding torch_found() {
  const bool gpu_half = std::filesystem::exists(torch_folder() / "libtorch_cuda.so");
  const auto cuda = cuda_of_torch();
  return {"LibTorch",
          Grade::kGood,
          fmt::format("{}{}, in {}", TORCH_VERSION, cuda ? fmt::format(" for CUDA {}", *cuda) : "",
                      torch_folder().string()),
          gpu_half ? "its GPU half is here, too" : "its CPU half alone",
          {}};
}

Finding devices_found(const Devices& devices) {
  Finding finding{"devices",
                  Grade::kGood,
                  fmt::format("{} ({}), driver for CUDA {}.{}", counted(devices.names.size(), "NVIDIA GPU"),
                              joined(devices.names), devices.cuda / 1000, devices.cuda % 1000 / 10),
                  {},
                  {}};
  const int needed = cuda_of_torch().value_or(0);
  if (devices.error != 0 || devices.names.empty())
    return {"devices", Grade::kNote, fmt::format("NVIDIA's driver is here, but shows no GPU (error {})", devices.error),
            "work runs on the processor",
            "Look at nvidia-smi; in a container, give it the GPUs (docker run --gpus all)"};
  finding.means = "the driver is new enough for this LibTorch";
  if (devices.cuda / 1000 >= needed) return finding;
  finding.grade = Grade::kNote;
  finding.means =
      fmt::format("LibTorch is made for CUDA {}, which this driver does not speak: work runs on the processor", needed);
  finding.advice = "Install a newer driver (CUDA 13 needs 580 or newer)";
  return finding;
}

Finding nccl_found(std::size_t gpus) {
  void* library = dlopen("libnccl.so.2", RTLD_NOW);
  auto* version_of = library ? reinterpret_cast<int (*)(int*)>(dlsym(library, "ncclGetVersion")) : nullptr;
  if (!version_of)
    return {"NCCL", gpus > 1 ? Grade::kNote : Grade::kGood, "not found", "ranks talk through MPI",
            gpus > 1 ? "Install the wheel nvidia-nccl-cu13, and put its lib folder into LD_LIBRARY_PATH" : ""};
  int version = 0;
  version_of(&version);
  return {"NCCL",
          Grade::kGood,
          fmt::format("{}.{}.{}", version / 10000, version % 10000 / 100, version % 100),
          "GPUs of several ranks can talk directly",
          {}};
}

}  // namespace

std::vector<Finding> examine_devices() {
  const auto trial = try_all_reduce();
  const CudaDriver driver;
  if (!driver.there())
    return {{"devices", Grade::kGood, "no NVIDIA driver", "work runs on the processor", {}}, torch_found()};
  const Devices devices = devices_of(driver);
  std::vector<Finding> all = {devices_found(devices), torch_found(), nccl_found(devices.names.size())};
  if (trial) all.push_back(all_reduce_found(*trial));
  return all;
}

}  // namespace palimpsest
