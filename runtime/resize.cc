// Pillow's resampling (libImaging/Resample.c), bit for bit: Keys' cubic with a = -0.5, stretched where the image
// shrinks so that it averages (antialiasing); weights as 22-bit fixed point; one pass over columns and one over rows,
// each rounded to 8 bits.
//
// Both passes are one kernel, a weighted sum of rows. For the pass over columns the image is laid on its side before
// and set up again after, which costs less than gathering three-byte pixels.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/image.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define PALIMPSEST_WIDEST_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define PALIMPSEST_WIDEST_VECTORS
#endif

namespace palimpsest {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr double kSupport = 2.0;  // of the cubic, in output pixels (of input where it grows)
constexpr int kLanes = 32;        // bytes of a row that are summed at once

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

/// For each output pixel of one axis: the first input pixel it is made of, how many, and their weights.
struct Weights {
  struct Range {
    int first, count;
  };
  std::vector<Range> ranges;
  std::vector<std::int32_t> fixed;  // [output, widest]
  int widest = 0;
  int first = 0, last = 0;  // of all input pixels that are used: [first, last)
};

Weights weights(int in_size, float begin, float end, int out_size) {
  const double scale = static_cast<double>(end - begin) / out_size, stretch = std::max(scale, 1.0),
               support = kSupport * stretch;
  Weights w;
  w.widest = static_cast<int>(std::ceil(support)) * 2 + 1;
  w.ranges.resize(out_size);
  w.fixed.assign(static_cast<std::size_t>(out_size) * w.widest, 0);
  std::vector<double> exact(w.widest);
  for (int out = 0; out < out_size; ++out) {
    const double centre = begin + (out + 0.5) * scale, shrink = 1.0 / stretch;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int count = std::min(in_size, static_cast<int>(centre + support + 0.5)) - first;
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += exact[i] = cubic((i + first - centre + 0.5) * shrink);
    for (int i = 0; i < count; ++i) {
      const double share = sum != 0.0 ? exact[i] / sum : exact[i];
      w.fixed[static_cast<std::size_t>(out) * w.widest + i] =
          static_cast<std::int32_t>((share < 0 ? -0.5 : 0.5) + share * (1 << kPrecisionBits));
    }
    w.ranges[out] = {first, count};
  }
  w.first = w.ranges.front().first;
  w.last = w.ranges.back().first + w.ranges.back().count;
  return w;
}

std::uint8_t rounded(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255)); }

/// out[i] = sum over rows t of weight[t] * in[t * stride + i], rounded to a byte.
PALIMPSEST_WIDEST_VECTORS
void weighted_sum(const std::uint8_t* in, std::size_t stride, const std::int32_t* weight, int count, std::uint8_t* out,
                  std::size_t length) {
  std::size_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    std::int32_t sum[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) sum[lane] = 1 << (kPrecisionBits - 1);
    for (int t = 0; t < count; ++t)
      for (int lane = 0; lane < kLanes; ++lane) sum[lane] += weight[t] * in[t * stride + i + lane];
    for (int lane = 0; lane < kLanes; ++lane) out[i + lane] = rounded(sum[lane]);
  }
  for (; i < length; ++i) {
    std::int32_t sum = 1 << (kPrecisionBits - 1);
    for (int t = 0; t < count; ++t) sum += weight[t] * in[t * stride + i];
    out[i] = rounded(sum);
  }
}

/// Pixels of three bytes: in [rows, columns] with a stride between rows, out [columns, rows].
void transpose(const std::uint8_t* in, std::size_t stride, int rows, int columns, std::uint8_t* out) {
  constexpr int kBlock = 16;
  for (int top = 0; top < rows; top += kBlock)
    for (int x = 0; x < columns; ++x) {
      std::uint8_t* to = out + (static_cast<std::size_t>(x) * rows + top) * 3;
      const std::uint8_t* from = in + top * stride + static_cast<std::size_t>(x) * 3;
      for (int y = top; y < std::min(rows, top + kBlock); ++y, to += 3, from += stride) std::memcpy(to, from, 3);
    }
}

/// Pixels with a stride between rows; the first one belongs to the first row and column that are used.
struct View {
  const std::uint8_t* first;
  std::size_t stride;
  int rows, columns;
};

/// One row for each range of `w`, which counts rows from w.first: [ranges, columns].
std::vector<std::uint8_t> sum_rows(const View& in, const Weights& w) {
  const std::size_t length = static_cast<std::size_t>(in.columns) * 3;
  std::vector<std::uint8_t> out(w.ranges.size() * length);
  for (std::size_t row = 0; row < w.ranges.size(); ++row)
    weighted_sum(in.first + (w.ranges[row].first - w.first) * in.stride, in.stride, &w.fixed[row * w.widest],
                 w.ranges[row].count, &out[row * length], length);
  return out;
}

/// One column for each range of `w`: [rows, ranges].
std::vector<std::uint8_t> sum_columns(const View& in, const Weights& w) {
  std::vector<std::uint8_t> lying(static_cast<std::size_t>(in.columns) * in.rows * 3);
  transpose(in.first, in.stride, in.rows, in.columns, lying.data());
  const std::size_t stride = static_cast<std::size_t>(in.rows) * 3;
  const std::vector<std::uint8_t> summed = sum_rows({lying.data(), stride, in.columns, in.rows}, w);
  std::vector<std::uint8_t> out(summed.size());
  transpose(summed.data(), stride, static_cast<int>(w.ranges.size()), in.rows, out.data());
  return out;
}

/// Since version 13 Pillow takes rows first where the height shrinks by more than twice the pixels that the width does.
/// Each pass rounds, so the order shows in the last bit.
bool rows_first(const Image& image, int width, int height) {
  return height < image.height && image.height - height > 2 * (image.width - width);
}

}  // namespace

Image resize_bicubic(const Image& image, int width, int height, double left, double top, double box_width,
                     double box_height) {
  // Pillow keeps the box in single precision.
  const auto x0 = static_cast<float>(left), y0 = static_cast<float>(top);
  const auto x1 = static_cast<float>(left + box_width), y1 = static_cast<float>(top + box_height);
  const bool columns = width != image.width || x0 != 0 || x1 != static_cast<float>(width);
  const bool rows = height != image.height || y0 != 0 || y1 != static_cast<float>(height);
  if (!columns && !rows) return image;

  Weights across, down;
  across.last = image.width, down.last = image.height;
  if (columns) across = weights(image.width, x0, x1, width);
  if (rows) down = weights(image.height, y0, y1, height);
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  const View used{&image.rgb[down.first * stride + static_cast<std::size_t>(across.first) * 3], stride,
                  down.last - down.first, across.last - across.first};

  if (!columns) return {width, height, sum_rows(used, down)};
  if (!rows) return {width, height, sum_columns(used, across)};
  if (rows_first(image, width, height)) {
    const std::vector<std::uint8_t> low = sum_rows(used, down);
    return {width, height,
            sum_columns({low.data(), static_cast<std::size_t>(used.columns) * 3, height, used.columns}, across)};
  }
  const std::vector<std::uint8_t> narrow = sum_columns(used, across);
  return {width, height, sum_rows({narrow.data(), static_cast<std::size_t>(width) * 3, used.rows, width}, down)};
}

Image resize_bicubic(const Image& image, int width, int height) {
  return resize_bicubic(image, width, height, 0, 0, image.width, image.height);
}

}  // namespace palimpsest
