#include "models/initial.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

namespace palimpsest {

void Initial::truncated_normal(const std::string& name, const std::vector<std::int64_t>& shape, double sd) {
  auto tensor = at::empty(shape, at::kFloat);
  float* out = tensor.data_ptr<float>();
  stream_.child(purpose(name)).fill_normal(out, tensor.numel());
  for (std::int64_t i = 0; i < tensor.numel(); ++i) out[i] = std::clamp(static_cast<float>(out[i] * sd), -2.0f, 2.0f);
  parameters_[name] = {tensor, false};
}

void Initial::uniform(const std::string& name, const std::vector<std::int64_t>& shape, double bound) {
  auto tensor = at::empty(shape, at::kFloat);
  float* out = tensor.data_ptr<float>();
  stream_.child(purpose(name)).fill_uniform(out, tensor.numel());
  for (std::int64_t i = 0; i < tensor.numel(); ++i) out[i] = static_cast<float>((2.0 * out[i] - 1.0) * bound);
  parameters_[name] = {tensor, false};
}

void Initial::constant(const std::string& name, const std::vector<std::int64_t>& shape, double value) {
  parameters_[name] = {at::full(shape, value, at::kFloat), false};
}

void Initial::norm(const std::string& name, std::int64_t width) {
  constant(name + ".weight", {width}, 1);
  constant(name + ".bias", {width}, 0);
}

void Initial::linear(const std::string& name, std::int64_t out, std::int64_t in) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  uniform(name + ".weight", {out, in}, bound);
  uniform(name + ".bias", {out}, bound);
}

}  // namespace palimpsest
