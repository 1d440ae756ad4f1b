#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace palimpsest {

/// How the parameters of one unit of sharding lie in one row: one after another, each at a multiple of kAlign, zeros in
/// between and at the end, so that the row is cut into equal parts, one a rank. A part begins and ends anywhere in a
/// parameter.
class ParameterRow {
 public:
  static constexpr std::int64_t kAlign =
      32;  // elements: products of aligned matrices are the same bits wherever they lie

  ParameterRow(const std::vector<at::Tensor>& parameters, int parts);

  std::int64_t size() const { return part_size_ * parts_; }  // elements
  std::int64_t part_size() const { return part_size_; }
  std::size_t count() const { return shapes_.size(); }
  const std::vector<std::int64_t>& shape(std::size_t parameter) const { return shapes_[parameter]; }
  at::Tensor view(const at::Tensor& row, std::size_t parameter) const;  // in its shape, sharing memory

  /// What lies in [begin, end) of the row: a stretch of each parameter concerned.
  struct Slice {
    std::size_t parameter;
    std::int64_t in_row, in_parameter, length;
  };
  std::vector<Slice> slices(std::int64_t begin, std::int64_t end) const;

 private:
  std::vector<std::vector<std::int64_t>> shapes_;
  std::vector<std::int64_t> begins_, lengths_;
  std::int64_t part_size_ = 0;
  int parts_;
};

}  // namespace palimpsest
