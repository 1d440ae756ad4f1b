#include "runtime/device.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include "runtime/cuda_driver.h"
#include "runtime/error.h"

namespace palimpsest {
namespace {

at::Device chosen = at::kCPU;   // of this process, for as long as it lives

// A program that never asks for a GPU neither loads nor needs the half of LibTorch that drives one.
std::string load_cuda_half() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // products give the same bits in every call
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) return "";
  const char* reason = dlerror();
  return fmt::format("LibTorch's CUDA half cannot be loaded ({}). Install it with PALIMPSEST_TORCH=cuda launch/setup.sh", reason ? reason : "no reason given");
}

// "cuda:1" -> 1
std::optional<int> number_after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

at::Device gpu(int index) { return {at::kCUDA, static_cast<at::DeviceIndex>(index)}; }

at::Device device_of(const std::string& choice, int local_rank) {
  if (choice == "cpu") return at::kCPU;
  const auto number = number_after(choice, "cuda:");
  if (choice != "auto" && choice != "cuda" && !number)
    throw InputError(fmt::format("--device {}: write auto, cpu, cuda, or cuda:N for a GPU by its number.", choice));
  std::string why_none;
  const int count = gpu_count(why_none);
  if (count == 0 && choice == "auto") return at::kCPU;
  if (count == 0) throw InputError(fmt::format("--device {}: there is no GPU to compute on: {}. --device cpu needs none.", choice, why_none));
  if (!number) return gpu(local_rank % count);
  if (*number >= count) throw InputError(fmt::format("--device {}: there {} here, numbered from 0.", choice, count == 1 ? "is 1 GPU" : fmt::format("are {} GPUs", count)));
  return gpu(*number);
}

const CudaDriver& driver() {
  static const CudaDriver one;
  return one;
}

c10::DeviceAllocator& allocator() { return *c10::getDeviceAllocator(at::kCUDA); }

}  // namespace

int gpu_count(std::string& why_none) {
  static const std::string why_not_loaded = load_cuda_half();
  why_none = why_not_loaded;
  if (!why_none.empty()) return 0;
  const int count = at::detail::getCUDAHooks().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (count == 0) why_none = "no NVIDIA driver, or no device that it shows (nvidia-smi lists them; CUDA_VISIBLE_DEVICES hides some)";
  return count;
}

void use_device(const std::string& choice, int local_rank) {
  chosen = device_of(choice, local_rank);
  if (chosen.is_cpu()) return;
  at::globalContext().lazyInitDevice(chosen.type());
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);  // nothing here reads what it has not written
}

at::Device compute_device() { return chosen; }

void use_tf32(bool on) { at::globalContext().setFloat32MatmulPrecision(on ? "high" : "highest"); }

std::string gpu_name(at::Device device) { return driver().name_of(device.index()); }

std::string gpu_place(at::Device device) { return driver().place_of(device.index()); }

std::uint64_t free_memory(at::Device device) { return allocator().getMemoryInfo(device.index()).first; }

std::uint64_t peak_memory(at::Device device) {
  const auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return static_cast<std::uint64_t>(allocator().getDeviceStats(device.index()).allocated_bytes[all].peak);
}

void forget_peak(at::Device device) { allocator().resetPeakStats(device.index()); }

}  // namespace palimpsest
