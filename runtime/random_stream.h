#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace palimpsest {

/// Philox 4x32-10 (Salmon et al., SC 2011): 128 random bits of a 64-bit key and a 128-bit counter, without state.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A name for what random numbers are used for, as a number (FNV-1a): purpose("decoder").
constexpr std::uint64_t purpose(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

/// An endless row of random numbers that is a function of its key alone: not of device, rank, pack or order of use.
/// Streams form a tree: RandomStream(run_seed).child(purpose("dropout")).child(step) is the same numbers everywhere.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t key) : key_(key) {}

  RandomStream child(std::uint64_t branch) const;  // an independent stream
  std::uint64_t key() const { return key_; }

  std::array<std::uint32_t, 4> block(std::uint64_t index) const;  // the index-th 128 bits
  std::uint32_t bits(std::uint64_t index) const;                  // the index-th 32 bits: block(index / 4)[index % 4]
  double uniform(std::uint64_t index) const;                      // in [0, 1), 32 bits of resolution
  double normal(std::uint64_t index) const;                       // mean 0, SD 1 (Box-Muller over bits 2 index, 2 index + 1)
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;  // in [0, bound), bound >= 1

  /// The numbers 0..n-1 in random order (Fisher-Yates); its first k are k draws without replacement.
  std::vector<std::int64_t> permutation(std::int64_t n) const;

  void fill_uniform(float* out, std::int64_t n) const;  // out[i] in [0, 1) with 24 bits, of bits(i)
  void fill_normal(float* out, std::int64_t n) const;   // out[i] = normal(i), as float

 private:
  std::uint64_t key_;
};

}  // namespace palimpsest
