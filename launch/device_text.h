#pragma once

#include <string>

#include <c10/core/Device.h>

namespace palimpsest {

/// A device that packs are computed on, as far as it may change the bits of a result, for the ledger: "cpu, Some
/// Processor @ 2.50GHz, AVX2", or "cuda:0, NVIDIA H200, Some Processor @ 2.50GHz, AVX2", with ", fused adapters" where
/// they are (runtime/low_rank.h). `gpu`: its name.
std::string device_text(c10::Device, const std::string& gpu, bool fused_adapters = false);
std::string device_text(c10::Device);
std::string processor_text();  // "Some Processor @ 2.50GHz"

/// Whether a run was computed on a GPU, by that text.
bool says_gpu(const std::string& device_text);
/// Whether its adapters were fused.
bool says_fused_adapters(const std::string& device_text);
/// The text without the number of the GPU among its host's, which changes no bit: "cuda, NVIDIA H200, ...".
std::string without_number(const std::string& device_text);

}  // namespace palimpsest
