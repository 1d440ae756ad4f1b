#pragma once

#include <string>

namespace palimpsest {

/// What this rank computes on, as far as it may change the bits of a result: "cpu, Some Processor @ 2.50GHz, AVX2".
std::string device_text();
std::string processor_text();   // "Some Processor @ 2.50GHz"

}  // namespace palimpsest
