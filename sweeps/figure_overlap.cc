#include "sweeps/figure_overlap.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace palimpsest {
namespace {

constexpr double kA = -0.75;

double keys(double x) {
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA;
  return 0;
}

struct Taps {
  int place[4];
  double weight[4];
};

std::vector<Taps> taps_of(int grid, int side) {
  std::vector<Taps> out(static_cast<std::size_t>(side));
  for (int i = 0; i < side; ++i) {
    const double at = (i + 0.5) * grid / side - 0.5;
    const int left = static_cast<int>(std::floor(at));
    for (int k = 0; k < 4; ++k) {
      out[i].place[k] = std::clamp(left - 1 + k, 0, grid - 1);
      out[i].weight[k] = keys(at - (left - 1 + k));
    }
  }
  return out;
}

void set(std::vector<std::uint64_t>& bits, std::int64_t i) { bits[i / 64] |= std::uint64_t{1} << (i % 64); }

std::int64_t count_common(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += std::popcount(a[i] & b[i]);
  return count;
}

double ratio(std::int64_t common, std::int64_t together) {
  return together == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(together);
}

}  // namespace

std::vector<double> enlarge_cubic(std::span<const double> map, int grid, int side) {
  const auto taps = taps_of(grid, side);
  std::vector<double> rows(static_cast<std::size_t>(side) * grid), out(static_cast<std::size_t>(side) * side);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < grid; ++x)
      for (int k = 0; k < 4; ++k) rows[y * grid + x] += taps[y].weight[k] * map[taps[y].place[k] * grid + x];
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (int k = 0; k < 4; ++k) out[y * side + x] += taps[x].weight[k] * rows[y * grid + taps[x].place[k]];
  return out;
}

FigureOverlap::FigureOverlap(const Mask& mask, const RandomStream& stream, int shifts)
    : width_(mask.width), height_(mask.height), pixels_(std::int64_t{mask.width} * mask.height) {
  const auto words = static_cast<std::size_t>((pixels_ + 63) / 64);
  mask_.resize(words);
  shifted_.assign(static_cast<std::size_t>(shifts), Bits(words));
  for (std::int64_t i = 0; i < pixels_; ++i) {
    if (mask.figure[i] <= 128) continue;
    ++figure_;
    set(mask_, i);
  }
  for (int s = 0; s < shifts; ++s) {
    const auto dx = static_cast<int>(stream.below(2 * s, mask.width)),
               dy = static_cast<int>(stream.below(2 * s + 1, mask.height));
    for (int y = 0; y < mask.height; ++y)
      for (int x = 0; x < mask.width; ++x)
        if (mask.figure[y * mask.width + x] > 128)
          set(shifted_[s], std::int64_t{(y + dy) % mask.height} * mask.width + (x + dx) % mask.width);
  }
}

double FigureOverlap::better_side(const Bits& mask, const Bits& bright, std::int64_t bright_count) const {
  const std::int64_t common = count_common(mask, bright), ground = pixels_ - figure_, outside = bright_count - common;
  return std::max(ratio(common, figure_ + bright_count - common), ratio(outside, ground + bright_count - outside));
}

FigureOverlap::Score FigureOverlap::score(std::span<const double> enlarged) const {
  Bits bright(mask_.size());
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < pixels_; ++i)
    if (enlarged[i] > 0.5) set(bright, i), ++count;
  Score out{.iou = better_side(mask_, bright, count), .chance = 0};
  for (const auto& shifted : shifted_) out.chance += better_side(shifted, bright, count);
  if (!shifted_.empty()) out.chance /= static_cast<double>(shifted_.size());
  return out;
}

double FigureOverlap::area_under_curve(std::span<const double> map, int grid) const {
  std::vector<std::int64_t> figure(map.size()), ground(map.size());   // pixels of each patch
  for (int y = 0; y < height_; ++y)
    for (int x = 0; x < width_; ++x) {
      const auto patch = static_cast<std::size_t>((y * grid / height_) * grid + x * grid / width_);
      const std::int64_t i = std::int64_t{y} * width_ + x;
      ++((mask_[static_cast<std::size_t>(i / 64)] >> (i % 64) & 1) != 0 ? figure : ground)[patch];
    }
  if (figure_ == 0 || figure_ == pixels_) return 0.5;
  if (std::ranges::any_of(map, [](double weight) { return std::isnan(weight); })) return std::nan("");
  std::vector<std::size_t> order(map.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t patch) { return map[patch]; });
  double below = 0, won = 0;   // ground pixels with smaller weights; pairs won by figure
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first;
    double figures = 0, grounds = 0;
    for (; end < order.size() && map[order[end]] == map[order[first]]; ++end)
      figures += static_cast<double>(figure[order[end]]), grounds += static_cast<double>(ground[order[end]]);
    won += figures * (below + 0.5 * grounds);
    below += grounds;
    first = end;
  }
  return won / (static_cast<double>(figure_) * static_cast<double>(pixels_ - figure_));
}

}  // namespace palimpsest
