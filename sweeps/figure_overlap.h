#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/image.h"
#include "runtime/random_stream.h"

namespace palimpsest {

/// A square map of weights enlarged as OpenCV's INTER_CUBIC does: Keys a = -0.75, half-pixel centres, replicated
/// border, no clipping.
///   map  [grid * grid], row-major; returns [side * side]
std::vector<double> enlarge_cubic(std::span<const double> map, int grid, int side);

/// How well the bright part of a map covers the figure of an image (arXiv 2508.04988, fgIoU), and how well it would by
/// chance.
class FigureOverlap {
 public:
  /// `mask` is side x side; `shifts` circular shifts of it, drawn from the stream, give the chance level.
  FigureOverlap(const Mask& mask, const RandomStream& stream, int shifts = 200);

  struct Score {
    double iou = 0, chance = 0;  // each the larger of figure and ground, 0 where the union is empty
  };
  /// `enlarged` [side * side], min-max normalised over its companions; what exceeds 0.5 is bright.
  Score score(std::span<const double> enlarged) const;

  /// The chance that a figure pixel's patch has a larger weight than a ground pixel's, ties counting half (the area under the ROC curve of
  /// weights as scores, pixels as samples). `map` [grid * grid]. 0.5 where all is figure or ground.
  double area_under_curve(std::span<const double> map, int grid) const;

 private:
  using Bits = std::vector<std::uint64_t>;
  double better_side(const Bits& mask, const Bits& bright, std::int64_t bright_count) const;

  int width_ = 0, height_ = 0;
  std::int64_t pixels_ = 0, figure_ = 0;
  Bits mask_;
  std::vector<Bits> shifted_;
};

}  // namespace palimpsest
