#include "sweeps/attention_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "sweeps/figure_overlap.h"

namespace palimpsest {
namespace {

constexpr int kEnlarged = 3;               // pixels a pixel
constexpr double kOpacity = 0.75, kDim = 0.7;  // of the colours where most is attended to; of the image below them

using Colour = std::array<double, 3>;

// Dark to light in even steps, for readers who see no red or no green, too: five colours of matplotlib's "plasma".
constexpr std::array<Colour, 5> kColours = {{{0.05, 0.03, 0.53}, {0.49, 0.01, 0.66}, {0.80, 0.28, 0.47}, {0.97, 0.58, 0.25}, {0.94, 0.98, 0.13}}};

Colour colour_of(double share) {
  const double place = share * (kColours.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), kColours.size() - 2);
  const double t = place - static_cast<double>(below);
  Colour out;
  for (std::size_t c = 0; c < 3; ++c) out[c] = (1 - t) * kColours[below][c] + t * kColours[below + 1][c];
  return out;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  double share(double x) const { return high > low ? std::clamp((x - low) / (high - low), 0.0, 1.0) : 0.0; }
};

// Of an image's maps in all rows.
Range range_of(const std::vector<Attended>& rows, std::int64_t image) {
  Range out;
  for (const auto& row : rows) {
    out.low = std::min(out.low, row.maps[image].min().item<double>());
    out.high = std::max(out.high, row.maps[image].max().item<double>());
  }
  return out;
}

// A figure pixel beside one that is not, above or to the left.
bool on_outline(const Mask& mask, int x, int y) {
  const auto figure = [&](int column, int row) { return mask.figure[static_cast<std::size_t>(std::max(row, 0) * mask.width + std::max(column, 0))] > 128; };
  return figure(x, y) != figure(x - 1, y) || figure(x, y) != figure(x, y - 1);
}

class Canvas {
 public:
  Canvas(int width, int height) : image_{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3)} {}
  void put(int x, int y, const Colour& colour) {
    for (std::size_t c = 0; c < 3; ++c)
      image_.rgb[static_cast<std::size_t>(y * image_.width + x) * 3 + c] = static_cast<std::uint8_t>(std::lround(std::clamp(colour[c], 0.0, 1.0) * 255));
  }
  Image take() { return std::move(image_); }

 private:
  Image image_;
};

// One image at its place; `mask` null: no outline.
void paint(Canvas& canvas, int left, int top, const at::Tensor& image, const std::vector<double>& attended, const Mask* mask) {
  const int side = static_cast<int>(image.size(-1));
  const auto grey = image.mean(0).to(at::kDouble).contiguous();
  const double* light = grey.const_data_ptr<double>();
  for (int y = 0; y < side * kEnlarged; ++y)
    for (int x = 0; x < side * kEnlarged; ++x) {
      const auto pixel = static_cast<std::size_t>(y / kEnlarged * side + x / kEnlarged);
      const double share = attended[static_cast<std::size_t>(y) * side * kEnlarged + static_cast<std::size_t>(x)], over = kOpacity * share;
      const auto warm = colour_of(share);
      Colour out;
      for (std::size_t c = 0; c < 3; ++c) out[c] = (1 - over) * kDim * light[pixel] + over * warm[c];
      const bool edge = (x % kEnlarged == 0 || y % kEnlarged == 0) && mask && on_outline(*mask, x / kEnlarged, y / kEnlarged);
      canvas.put(left + x, top + y, edge ? Colour{1, 1, 1} : out);
    }
}

}  // namespace

Image attention_picture(const std::vector<Attended>& rows, const std::vector<Mask>& masks) {
  const auto& first = rows.front();
  const auto I = first.images.size(0);
  const int side = static_cast<int>(first.images.size(-1)), grid = static_cast<int>(std::lround(std::sqrt(static_cast<double>(first.maps.size(1)))));
  const int large = side * kEnlarged;
  Canvas canvas(static_cast<int>(I) * large, static_cast<int>(rows.size()) * large);
  for (std::int64_t image = 0; image < I; ++image) {
    const auto range = range_of(rows, image);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto map = rows[row].maps[image].to(at::kDouble).contiguous();
      auto attended = enlarge_cubic({map.const_data_ptr<double>(), static_cast<std::size_t>(map.numel())}, grid, large);
      for (double& weight : attended) weight = range.share(weight);
      paint(canvas, static_cast<int>(image) * large, static_cast<int>(row) * large, rows[row].images[image], attended,
            masks.empty() ? nullptr : &masks[static_cast<std::size_t>(image)]);
    }
  }
  return canvas.take();
}

}  // namespace palimpsest
