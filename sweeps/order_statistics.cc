#include "sweeps/order_statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace palimpsest {
namespace {

constexpr std::int32_t kEnd = 1 << 30;
struct Found {
  std::size_t below, within;
};

/// Counts what is under low, and writes down where the numbers from low to high are. `places` has room for all and eight more.
using Find = Found (*)(std::span<const std::int32_t> x, std::int32_t low, std::int32_t high, std::uint32_t* places);

Found find_on_any(std::span<const std::int32_t> x, std::int32_t low, std::int32_t high, std::uint32_t* places) {
  Found found{0, 0};
  for (std::size_t i = 0; i < x.size(); ++i) {
    found.below += x[i] < low;
    places[found.within] = static_cast<std::uint32_t>(i);
    found.within += static_cast<std::size_t>(x[i] >= low) & static_cast<std::size_t>(x[i] <= high);
  }
  return found;
}

#if defined(__x86_64__)
/// For each set of lanes their numbers, in order.
constexpr std::array<std::array<std::uint32_t, 8>, 256> lanes_of_sets() {
  std::array<std::array<std::uint32_t, 8>, 256> out{};
  for (unsigned set = 0; set < 256; ++set)
    for (unsigned lane = 0, at = 0; lane < 8; ++lane)
      if (set >> lane & 1) out[set][at++] = lane;
  return out;
}
alignas(32) constexpr auto kLanes = lanes_of_sets();

/// Eight at a time and without a branch: which of them are wanted cannot be foreseen.
[[gnu::target("avx2,popcnt")]] Found find_on_avx2(std::span<const std::int32_t> x, std::int32_t low, std::int32_t high, std::uint32_t* places) {
  const __m256i least = _mm256_set1_epi32(low), most = _mm256_set1_epi32(high);
  __m256i below = _mm256_setzero_si256(), first = below;
  std::size_t within = 0, i = 0;
  for (; i + 8 <= x.size(); i += 8, first = _mm256_add_epi32(first, _mm256_set1_epi32(8))) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x.data() + i)), less = _mm256_cmpgt_epi32(least, v);
    const int set = 255 ^ _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_or_si256(less, _mm256_cmpgt_epi32(v, most))));
    const __m256i lanes = _mm256_load_si256(reinterpret_cast<const __m256i*>(kLanes[static_cast<std::size_t>(set)].data()));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places + within), _mm256_add_epi32(lanes, first));
    within += static_cast<std::size_t>(__builtin_popcount(static_cast<unsigned>(set)));
    below = _mm256_sub_epi32(below, less);
  }
  alignas(32) std::int32_t counts[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(counts), below);
  Found found = find_on_any(x.subspan(i), low, high, places + within);
  for (std::size_t at = within; at < within + found.within; ++at) places[at] += static_cast<std::uint32_t>(i);
  found.within += within;
  for (std::int32_t count : counts) found.below += static_cast<std::size_t>(count);
  return found;
}
Find chosen_find() { return __builtin_cpu_supports("avx2") ? find_on_avx2 : find_on_any; }
#else
Find chosen_find() { return find_on_any; }
#endif

std::int32_t whole(double x) { return static_cast<std::int32_t>(std::clamp(std::round(x), -1.0 * kEnd, 1.0 * kEnd)); }

}  // namespace

OrderStatistics::OrderStatistics(std::span<const std::int32_t> rough, std::int32_t error, std::function<double(std::size_t)> exact)
    : rough_(rough), error_(error), exact_(std::move(exact)), room_(std::make_unique_for_overwrite<std::uint32_t[]>(rough.size() + 8)) {}

void OrderStatistics::look(std::int32_t low, std::int32_t high) {
  low_ = low, high_ = high;
  const Found found = chosen_find()(rough_, low, high, room_.get());
  below_ = found.below;
  near_.clear();
  for (std::size_t i = 0; i < found.within; ++i) near_.push_back({rough_[room_[i]], room_[i]});
}

double OrderStatistics::share_below(std::int32_t rough, double exact) {
  look(rough - 2 * error_, rough + 2 * error_);
  double below = static_cast<double>(below_);
  for (const Near& one : near_) {
    const double here = exact_(one.place);
    below += here < exact ? 1.0 : here == exact ? 0.5 : 0.0;
  }
  return below / static_cast<double>(rough_.size());
}

// Sorted, the exact numbers are within the error of the sorted rough ones: what is further than twice that from the rough one of a rank is on one
// side of the exact one.
bool OrderStatistics::holds(std::size_t rank) {
  const std::size_t last = std::min(rank + 1, rough_.size() - 1);
  if (rank < below_ || last >= below_ + near_.size()) return false;
  const auto here = near_.begin() + static_cast<std::ptrdiff_t>(rank - below_), next = near_.begin() + static_cast<std::ptrdiff_t>(last - below_);
  std::ranges::nth_element(near_, here, {}, &Near::rough);
  if (next != here) std::iter_swap(next, std::ranges::min_element(next, near_.end(), {}, &Near::rough));
  return (low_ == -kEnd || here->rough - 2 * error_ >= low_) && (high_ == kEnd || next->rough + 2 * error_ <= high_);
}

OrderStatistics::Neighbours OrderStatistics::exact_at(std::size_t rank) {
  const std::size_t last = std::min(rank + 1, rough_.size() - 1);
  const std::int32_t least = near_[rank - below_].rough - 2 * error_, most = near_[last - below_].rough + 2 * error_;
  std::size_t under = below_;
  std::vector<double> exact;
  for (const Near& one : near_) {
    under += one.rough < least;
    if (one.rough >= least && one.rough <= most) exact.push_back(exact_(one.place));
  }
  std::ranges::sort(exact);
  return {exact[rank - under], exact[last - under]};
}

OrderStatistics::Neighbours OrderStatistics::at(std::size_t rank, Window guess) {
  look(whole(guess.low - 2.0 * error_), whole(guess.high + 2.0 * error_));
  if (!holds(rank)) {
    look(-kEnd, kEnd);
    holds(rank);
  }
  return exact_at(rank);
}

}  // namespace palimpsest
