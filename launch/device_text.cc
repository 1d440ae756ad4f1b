#include "launch/device_text.h"

#include <ATen/Version.h>

#include <fstream>

namespace palimpsest {

// "model name	: Some CPU @ 2.50GHz"
std::string processor_text() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::string device_text() { return "cpu, " + processor_text() + ", " + at::get_cpu_capability(); }

}  // namespace palimpsest
