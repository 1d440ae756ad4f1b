#include "models/drawn.h"

namespace palimpsest {

std::vector<at::Tensor*> Drawn::tensors() {
  std::vector<at::Tensor*> out = {&mask.kept, &mask.masked, &mask.place, &views, &second};
  for (auto& layer : dropout) out.insert(out.end(), {&layer.weights, &layer.attended, &layer.inside, &layer.fed});
  return out;
}

}  // namespace palimpsest
