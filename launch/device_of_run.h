#pragma once

#include <string>

namespace palimpsest {

/// Computes from here on the kind of device that made the run, "cpu" or a GPU, and in its way: only that gives its bits again.
/// `device`: as the ledger has it. Throws InputError where it was a GPU and there is none here.
void use_device_of_run(const std::string& run, const std::string& device);

}  // namespace palimpsest
