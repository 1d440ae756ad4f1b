#pragma once

#include <ATen/ATen.h>

#include "models/objective.h"
#include "tests/small_pretraining.h"

namespace palimpsest {

inline Settings small_contrastive() {
  Settings settings = small_pretraining();
  settings.set("objective.name", std::string("contrastive"));
  return settings;
}

inline std::unique_ptr<Objective> contrastive_objective() {
  return find_objective("contrastive").build(small_contrastive(), RandomStream(3));
}

/// Two views of each of `count` images of 16 x 16: noise over a colour of the image's own.
inline Batch pairs_batch(std::int64_t count) {
  const auto noise = [&](std::uint64_t seed) {
    auto images = at::empty({count, 3, 16, 16}, at::kFloat);
    RandomStream(seed).fill_uniform(images.data_ptr<float>(), images.numel());
    return images;
  };
  const auto colours = noise(1).mean({2, 3}, true) * 2 - 0.5;
  Batch batch{.images = 0.5 * colours + 0.5 * noise(2),
              .second = 0.5 * colours + 0.5 * noise(3),
              .streams = {},
              .global_size = count,
              .training = true};
  for (std::int64_t i = 0; i < count; ++i) batch.streams.push_back(RandomStream(100 + static_cast<std::uint64_t>(i)));
  return batch;
}

}  // namespace palimpsest
