#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

namespace palimpsest {

/// Stands in for LibTorch's allocator on the CPU, and counts the bytes that tensors hold: all of them, whoever made
/// them.
class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    void* block = nullptr;
    if (posix_memalign(&block, kHead, kHead + bytes) != 0) throw std::bad_alloc();
    std::memcpy(block, &bytes, sizeof bytes);
    const auto now = held.fetch_add(static_cast<std::int64_t>(bytes)) + static_cast<std::int64_t>(bytes);
    for (auto before = peak.load(); before < now && !peak.compare_exchange_weak(before, now);) {
    }
    return {static_cast<char*>(block) + kHead, block, &release, at::Device(at::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

  static inline std::atomic<std::int64_t> held{0}, peak{0};

 private:
  static constexpr std::size_t kHead = 64;  // the size, and what keeps tensors aligned

  static void release(void* block) {
    std::size_t bytes = 0;
    std::memcpy(&bytes, block, sizeof bytes);
    held -= static_cast<std::int64_t>(bytes);
    std::free(block);
  }
};

}  // namespace palimpsest
