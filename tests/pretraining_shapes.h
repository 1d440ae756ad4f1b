#pragma once

#include "models/objective.h"
#include "tests/shapes_alone.h"

namespace palimpsest {

/// Shapes alone are left of an objective's weights. LibTorch moves a tensor that is in use to a GPU, but not there.
inline void make_shapes_alone(SlowWeights& weights) {
  for (Parameters* part : {&weights.encoder, &weights.decoder, &weights.head})
    for (auto& [name, parameter] : *part)
      parameter.value.unsafeGetTensorImpl()->shallow_copy_from(at::empty_like(parameter.value, at::kMeta).getIntrusivePtr());
}

inline Batch made_up_batch(at::Device device) {
  Batch batch{.images = at::full({4, 3, 16, 16}, 0.5, device), .second = at::full({4, 3, 16, 16}, 0.25, device), .streams = {}, .global_size = 4, .training = true};
  for (std::uint64_t i = 0; i < 4; ++i) batch.streams.push_back(RandomStream(i));
  return batch;
}

}  // namespace palimpsest
