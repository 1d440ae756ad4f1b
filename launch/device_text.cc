#include "launch/device_text.h"

#include <ATen/Version.h>

#include <fstream>

#include "runtime/device.h"
#include "runtime/low_rank.h"

namespace palimpsest {
namespace {

const std::string kFused = ", fused adapters";

}  // namespace

// "model name	: Some CPU @ 2.50GHz"
std::string processor_text() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::string device_text(c10::Device device, const std::string& gpu, bool fused_adapters) {
  return device.str() + ", " + (device.is_cpu() ? "" : gpu + ", ") + processor_text() + ", " + at::get_cpu_capability() + (fused_adapters ? kFused : "");
}

std::string device_text(c10::Device device) { return device_text(device, device.is_cpu() ? "" : gpu_name(device), fuses_adapters(device)); }

bool says_gpu(const std::string& device_text) { return device_text.starts_with("cuda"); }

bool says_fused_adapters(const std::string& device_text) { return device_text.ends_with(kFused); }

std::string without_number(const std::string& device_text) {
  return says_gpu(device_text) ? "cuda" + device_text.substr(device_text.find(',')) : device_text;
}

}  // namespace palimpsest
