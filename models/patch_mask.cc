#include "models/patch_mask.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace palimpsest {
namespace {

// ring [N, N]: how many patches apart two patches of a square grid lie, diagonals counting as one.
std::vector<std::int64_t> ring_distances(std::int64_t patches) {
  const auto grid = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  std::vector<std::int64_t> ring(static_cast<std::size_t>(patches * patches));
  for (std::int64_t a = 0; a < patches; ++a)
    for (std::int64_t b = 0; b < patches; ++b)
      ring[a * patches + b] = std::max(std::abs(a / grid - b / grid), std::abs(a % grid - b % grid));
  return ring;
}

}  // namespace

PatchMask draw_patch_mask(const std::vector<RandomStream>& images, std::int64_t patches, double share) {
  const auto B = std::ssize(images);
  const std::int64_t M = std::clamp<std::int64_t>(std::llround(share * static_cast<double>(patches)), 1, patches - 1), K = patches - M;
  PatchMask mask{at::empty({B, K}, at::kLong), at::empty({B, M}, at::kLong), at::empty({B, patches}, at::kLong)};
  auto *kept = mask.kept.data_ptr<std::int64_t>(), *masked = mask.masked.data_ptr<std::int64_t>(), *place = mask.place.data_ptr<std::int64_t>();
  for (const RandomStream& stream : images) {
    auto order = stream.permutation(patches);
    std::sort(order.begin(), order.begin() + K);
    std::sort(order.begin() + K, order.end());
    for (std::int64_t i = 0; i < patches; ++i) place[order[i]] = i;
    kept = std::copy_n(order.begin(), K, kept);
    masked = std::copy_n(order.begin() + K, M, masked);
    place += patches;
  }
  return mask;
}

at::Tensor choose_tokens(const at::Tensor& tokens, const at::Tensor& chosen) {
  const std::int64_t R = tokens.size(0), B = tokens.size(1), T = tokens.size(2), C = tokens.size(3);
  const auto rows = (chosen + at::arange(B, chosen.options()).view({B, 1}) * T).flatten().to(tokens.device());
  return tokens.reshape({R, B * T, C}).index_select(1, rows).view({R, B, chosen.size(1), C});
}

at::Tensor nearest_visible_colour(const at::Tensor& patches, const PatchMask& mask) {
  const std::int64_t B = patches.size(0), N = patches.size(1), K = mask.kept.size(1);
  const auto ring = ring_distances(N);
  auto weights = at::zeros({B, N, N}, at::kFloat);  // of the visible patches in a patch's mean
  float* row = weights.data_ptr<float>();
  for (std::int64_t image = 0; image < B; ++image) {
    const std::int64_t* kept = mask.kept.data_ptr<std::int64_t>() + image * K;
    for (std::int64_t patch = 0; patch < N; ++patch, row += N) {
      const auto distance = [&](std::int64_t visible) { return ring[patch * N + visible]; };
      const std::int64_t nearest = distance(*std::min_element(kept, kept + K, [&](auto a, auto b) { return distance(a) < distance(b); }));
      const auto count = std::count_if(kept, kept + K, [&](auto visible) { return distance(visible) == nearest; });
      for (std::int64_t k = 0; k < K; ++k)
        if (distance(kept[k]) == nearest) row[kept[k]] = 1.0f / static_cast<float>(count);
    }
  }
  return at::bmm(weights.to(patches.device()), patches.mean(2));
}

}  // namespace palimpsest
