#include "runtime/parameter_row.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace palimpsest {
namespace {

std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

}  // namespace

ParameterRow::ParameterRow(const std::vector<at::Tensor>& parameters, int parts) : parts_(parts) {
  std::int64_t at = 0;
  for (const at::Tensor& parameter : parameters) {
    shapes_.push_back(parameter.sizes().vec());
    begins_.push_back(at);
    lengths_.push_back(parameter.numel());
    at = rounded_up(at + parameter.numel(), kAlign);
  }
  part_size_ = rounded_up(at, kAlign * parts) / parts;
}

at::Tensor ParameterRow::view(const at::Tensor& row, std::size_t i) const {
  return row.slice(0, begins_[i], begins_[i] + lengths_[i]).view(shapes_[i]);
}

std::vector<ParameterRow::Slice> ParameterRow::slices(std::int64_t begin, std::int64_t end) const {
  std::vector<Slice> found;
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const std::int64_t from = std::max(begin, begins_[i]), to = std::min(end, begins_[i] + lengths_[i]);
    if (from < to) found.push_back({i, from, from - begins_[i], to - from});
  }
  return found;
}

}  // namespace palimpsest
