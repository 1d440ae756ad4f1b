#include "launch/device_text.h"

#include <ATen/Version.h>

#include <fstream>

#include "runtime/device.h"

namespace palimpsest {

// "model name	: Some CPU @ 2.50GHz"
std::string processor_text() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::string device_text(c10::Device device, const std::string& gpu) {
  return device.str() + ", " + (device.is_cpu() ? "" : gpu + ", ") + processor_text() + ", " + at::get_cpu_capability();
}

std::string device_text(c10::Device device) { return device_text(device, device.is_cpu() ? "" : gpu_name(device)); }

bool says_gpu(const std::string& device_text) { return device_text.starts_with("cuda"); }

std::string without_number(const std::string& device_text) {
  return says_gpu(device_text) ? "cuda" + device_text.substr(device_text.find(',')) : device_text;
}

}  // namespace palimpsest
