#pragma once

#include <filesystem>
#include <vector>

#include "launch/finding.h"

namespace palimpsest {

// What `palimpsest doctor` looks at, each in a file of its own. Nothing is left behind.

std::vector<Finding> examine_processor();  // cores, control group, memory
std::vector<Finding> examine_devices();    // GPUs, their driver against LibTorch's CUDA, NCCL and its rate
std::vector<Finding> examine_mpi();        // which, threads, whether it survives a lost process, whether it starts
std::vector<Finding> examine_disk(
    const std::filesystem::path& results);    // of the results folder: kind, commits, locks, room
std::vector<Finding> examine_limits();        // open files, locked memory, shared memory, clock
std::vector<Finding> examine_surroundings();  // Slurm, Kubernetes, AWS Batch

}  // namespace palimpsest
