#include "models/step_parts.h"

#include <ATen/ATen.h>

#include <utility>

#include "models/replicas.h"

namespace palimpsest {
namespace {

void write(at::Tensor& place, const at::Tensor& values) {
  if (values.defined()) place.copy_(values);
}

void write(Batch& place, const Batch& values, Drawn drawn) {
  write(place.images, values.images);
  write(place.second, values.second);
  const auto to = place.drawn->tensors(), from = drawn.tensors();
  for (std::size_t i = 0; i < from.size(); ++i) write(*to[i], *from[i]);
}

// A part's images lie within its batch, which is another one at the next step.
Batch placed(Batch batch, Drawn drawn) {
  batch.images = batch.images.clone();
  if (batch.second.defined()) batch.second = batch.second.clone();
  batch.drawn = std::make_shared<Drawn>(std::move(drawn));
  return batch;
}

}  // namespace

void StepParts::take(const Batch& batch, std::int64_t parts) {
  parts_.clear();
  for (std::int64_t part = 0; part < parts; ++part) parts_.push_back(parts == 1 ? batch : part_of(batch, part, parts));
}

void StepParts::take_in_place(const Batch& batch, std::int64_t parts, const Objective& objective) {
  const bool first = parts_.empty();
  for (std::int64_t part = 0; part < parts; ++part) {
    const Batch values = part_of(batch, part, parts);
    Drawn drawn = objective.draw(values);
    if (first) parts_.push_back(placed(values, std::move(drawn)));
    else write(parts_[static_cast<std::size_t>(part)], values, std::move(drawn));
  }
}

}  // namespace palimpsest
