#include <dlfcn.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <vector>

#include "launch/all_reduce_trial.h"
#include "runtime/cuda_driver.h"
#include "runtime/error.h"

// Functions of NCCL, of the driver and of NVML are looked up by name, and called by the numbers of their published interface: the program is made
// without their headers, too.

namespace palimpsest {
namespace {

constexpr const char* kNccl = "libnccl.so.2";
constexpr std::size_t kBytes = 256'000'000;
constexpr int kWarmUps = 2, kTimes = 5;
constexpr int kFloat32 = 7, kSum = 0;         // ncclFloat32, ncclSum
constexpr unsigned kNvlinkSpeed = 90;         // NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON
constexpr unsigned kMostNvlinks = 18;         // NVML_NVLINK_MAX_LINKS

class Library {
 public:
  explicit Library(const char* file) : handle_(dlopen(file, RTLD_NOW)) {}
  bool there() const { return handle_ != nullptr; }
  template <class Result = int, class... Arguments>
  std::optional<Result> call(const char* name, Arguments... arguments) const {
    auto* function = there() ? reinterpret_cast<Result (*)(Arguments...)>(dlsym(handle_, name)) : nullptr;
    return function ? std::optional(function(arguments...)) : std::nullopt;
  }

 private:
  void* const handle_;  // for the length of the process
};

// nvmlFieldValue_t
struct FieldValue {
  unsigned field = 0, scope = 0;
  long long time = 0, latency = 0;
  int type = 0, error = 0;
  union {
    double real;
    unsigned whole;
  } value = {0};
};

class Nvml {
 public:
  Nvml() : started_(library_.call("nvmlInit_v2") == 0) {}

  GpuLink link_of(const std::string& place) const {
    GpuLink link;
    void* gpu = nullptr;
    if (!started_ || library_.call("nvmlDeviceGetHandleByPciBusId_v2", place.c_str(), &gpu) != 0) return link;
    for (unsigned number = 0; number < kMostNvlinks; ++number) {
      int up = 0;
      if (library_.call("nvmlDeviceGetNvLinkState", gpu, number, &up) == 0 && up) ++link.nvlinks;
    }
    FieldValue speed;
    speed.field = kNvlinkSpeed;
    if (library_.call("nvmlDeviceGetFieldValues", gpu, 1, &speed) == 0 && speed.error == 0) link.nvlink_rate = speed.value.whole * 1e6;
    link.pcie_generation = number_of("nvmlDeviceGetCurrPcieLinkGeneration", gpu);
    link.pcie_lanes = number_of("nvmlDeviceGetCurrPcieLinkWidth", gpu);
    return link;
  }

 private:
  int number_of(const char* function, void* gpu) const {
    unsigned number = 0;
    return library_.call(function, gpu, &number) == 0 ? static_cast<int>(number) : 0;
  }

  const Library library_{"libnvidia-ml.so.1"};
  const bool started_;
};

// One process drives all GPUs. What it takes is the driver's again when the process ends.
class AllReduce {
 public:
  explicit AllReduce(const CudaDriver& driver, int gpus) : driver_(driver), communicators_(static_cast<std::size_t>(gpus)) {
    for (int gpu = 0; gpu < gpus; ++gpu) gpus_.push_back(made(gpu));
    check("ncclCommInitAll", nccl_.call("ncclCommInitAll", communicators_.data(), gpus, static_cast<const int*>(nullptr)));
  }

  double seconds() const {
    for (int time = 0; time < kWarmUps; ++time) once();
    wait();
    const auto begun = std::chrono::steady_clock::now();
    for (int time = 0; time < kTimes; ++time) once();
    wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count() / kTimes;
  }

 private:
  struct Gpu {
    void *context = nullptr, *stream = nullptr;
    std::uintptr_t memory = 0;
  };

  Gpu made(int number) const {
    Gpu gpu;
    int device = 0;
    check_driver("cuDeviceGet", driver_.call("cuDeviceGet", &device, number));
    check_driver("cuDevicePrimaryCtxRetain", driver_.call("cuDevicePrimaryCtxRetain", &gpu.context, device));
    check_driver("cuCtxSetCurrent", driver_.call("cuCtxSetCurrent", gpu.context));
    check_driver("cuMemAlloc", driver_.call("cuMemAlloc_v2", &gpu.memory, kBytes));
    check_driver("cuStreamCreate", driver_.call("cuStreamCreate", &gpu.stream, 1u));  // CU_STREAM_NON_BLOCKING
    return gpu;
  }

  void once() const {
    check("ncclGroupStart", nccl_.call("ncclGroupStart"));
    for (std::size_t i = 0; i < gpus_.size(); ++i) {
      auto* memory = reinterpret_cast<void*>(gpus_[i].memory);
      check("ncclAllReduce", nccl_.call("ncclAllReduce", static_cast<const void*>(memory), memory, kBytes / sizeof(float), kFloat32, kSum, communicators_[i], gpus_[i].stream));
    }
    check("ncclGroupEnd", nccl_.call("ncclGroupEnd"));
  }

  void wait() const {
    for (const Gpu& gpu : gpus_) {
      check_driver("cuCtxSetCurrent", driver_.call("cuCtxSetCurrent", gpu.context));
      check_driver("cuStreamSynchronize", driver_.call("cuStreamSynchronize", gpu.stream));
    }
  }

  void check(const char* function, std::optional<int> result) const {
    if (result == 0) return;
    if (!result) throw Error(fmt::format("this NCCL has no {}", function));
    const auto words = nccl_.call<const char*>("ncclGetErrorString", *result), last = nccl_.call<const char*>("ncclGetLastError", static_cast<void*>(nullptr));
    throw Error(fmt::format("{}: {}{}", function, words.value_or("unknown error"), last && *last && **last ? fmt::format(" ({})", *last) : ""));
  }
  void check_driver(const char* function, int result) const {
    if (result == 0) return;
    const char* words = nullptr;
    driver_.call("cuGetErrorString", result, &words);
    throw Error(fmt::format("{}: {} (error {})", function, words ? words : "unknown error", result));
  }

  const CudaDriver& driver_;
  const Library nccl_{kNccl};
  std::vector<Gpu> gpus_;
  std::vector<void*> communicators_;
};

AllReduceTrial tried(const CudaDriver& driver, int gpus) {
  AllReduceTrial trial{.gpus = gpus, .bytes = kBytes, .seconds = AllReduce(driver, gpus).seconds()};
  const Nvml nvml;  // after the work: a PCIe link that idles saves power by a lower generation
  for (int gpu = 0; gpu < gpus; ++gpu) {
    const GpuLink link = nvml.link_of(driver.place_of(gpu));
    if (gpu == 0 || link.rate() < trial.link.rate()) trial.link = link;
  }
  return trial;
}

AllReduceTrial failed(int gpus, const std::string& why) {
  AllReduceTrial trial{.gpus = gpus};
  fmt::format_to_n(trial.why_not, sizeof trial.why_not - 1, "{}", why);
  return trial;
}

void tell(int other, const AllReduceTrial& trial) {
  if (write(other, &trial, sizeof trial) != sizeof trial) _exit(1);
}

// Twice: how many GPUs there are, and what came of it.
[[noreturn]] void try_and_tell(int other) {
  const CudaDriver driver;
  int gpus = 0;
  if (driver.error() != 0 || driver.call("cuDeviceGetCount", &gpus) != 0) _exit(1);
  tell(other, {.gpus = gpus});
  if (gpus < 2) _exit(0);
  try {
    tell(other, tried(driver, gpus));
  } catch (const Error& error) {
    tell(other, failed(gpus, error.what()));
  }
  _exit(0);
}

enum class Heard { kTrial, kEnd, kNothing };

Heard hear(int other, std::chrono::milliseconds limit, AllReduceTrial& trial) {
  pollfd waiting = {other, POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>(limit.count())) <= 0) return Heard::kNothing;
  return read(other, &trial, sizeof trial) == sizeof trial ? Heard::kTrial : Heard::kEnd;
}

std::optional<AllReduceTrial> outcome(int other, std::chrono::milliseconds limit) {
  AllReduceTrial trial;
  if (hear(other, limit, trial) != Heard::kTrial || trial.gpus < 1) return std::nullopt;
  if (trial.gpus == 1) return trial;
  if (!Library(kNccl).there()) return std::nullopt;
  const int gpus = trial.gpus;
  switch (hear(other, limit, trial)) {
    case Heard::kTrial:
      return trial;
    case Heard::kEnd:
      return failed(gpus, "it ended the process that tried it");
    case Heard::kNothing:
      return failed(gpus, fmt::format("NCCL did not answer within {} s", std::chrono::duration<double>(limit).count()));
  }
  return std::nullopt;
}

}  // namespace

// By a process of its own, as NCCL may hang, or end the one that it is in.
std::optional<AllReduceTrial> try_all_reduce(std::chrono::milliseconds limit) {
  int ends[2];
  if (!Library("libcuda.so.1").there() || pipe(ends) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    try_and_tell(ends[1]);
  }
  close(ends[1]);
  const auto trial = outcome(ends[0], limit);
  close(ends[0]);
  kill(child, SIGKILL);  // it has told all, or hangs
  waitpid(child, nullptr, 0);
  return trial;
}

}  // namespace palimpsest
