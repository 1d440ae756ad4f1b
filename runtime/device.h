#pragma once

#include <cstdint>
#include <string>

#include <c10/core/Device.h>

namespace palimpsest {

/// Chooses what this process computes on. `choice`: "cpu"; "cuda", the GPU of `local_rank` among the ranks of this host, in turn;
/// "cuda:1", that one; "auto", a GPU where there is one, else the CPU. Throws InputError, with the reason, where a GPU is asked for that is not there.
void use_device(const std::string& choice, int local_rank);

/// What was chosen; the CPU before.
at::Device compute_device();

/// Whether products of float32 on GPUs may be formed in tf32, whose factors have 10 bits behind the point in place of 23.
void use_tf32(bool);

/// "NVIDIA H200"
std::string gpu_name(at::Device);

/// Where a GPU is plugged into its host: two processes that say the same compute on the same one.
std::string gpu_place(at::Device);

/// GPUs that LibTorch can use, after its CUDA half was loaded; 0 with the reason in `why_none`.
int gpu_count(std::string& why_none);

/// Bytes of a GPU's memory: free now, and the most that tensors took since forget_peak().
std::uint64_t free_memory(at::Device);
std::uint64_t peak_memory(at::Device);
void forget_peak(at::Device);

}  // namespace palimpsest
