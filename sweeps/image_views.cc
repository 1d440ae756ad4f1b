// Kinds of noise that move what is there: turned images, and parts of them, enlarged.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "sweeps/image_noise.h"

namespace palimpsest {
namespace {

double value_at(const Pixels& image, int x, int y, int channel) {
  const int column = std::clamp(x, 0, image.width - 1), row = std::clamp(y, 0, image.height - 1);
  return image.values[image.place(column, row, channel)];
}

/// Each pixel from its place in `clean`, between pixels in proportion; beyond the border the border is repeated.
template <class PlaceOf>
Pixels moved(const Pixels& clean, PlaceOf place_of) {
  Pixels out = clean;
  for (int y = 0; y < clean.height; ++y)
    for (int x = 0; x < clean.width; ++x) {
      const auto [from_x, from_y] = place_of(x, y);
      const int left = static_cast<int>(std::floor(from_x)), top = static_cast<int>(std::floor(from_y));
      const double right_share = from_x - left, low_share = from_y - top;
      for (int c = 0; c < clean.channels; ++c) {
        const auto row = [&](int at) { return (1 - right_share) * value_at(clean, left, at, c) + right_share * value_at(clean, left + 1, at, c); };
        out.values[clean.place(x, y, c)] = (1 - low_share) * row(top) + low_share * row(top + 1);
      }
    }
  return out;
}

// About the middle, left or right.
std::vector<Pixels> rotation(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream) {
  const double way = stream.uniform(0) < 0.5 ? -1 : 1, middle_x = (clean.width - 1) / 2.0, middle_y = (clean.height - 1) / 2.0;
  std::vector<Pixels> out;
  for (const double level : levels) {
    const double angle = way * level * std::numbers::pi / 2, cosine = std::cos(angle), sine = std::sin(angle);
    out.push_back(moved(clean, [&](int x, int y) {
      const double dx = x - middle_x, dy = y - middle_y;
      return std::pair(middle_x + cosine * dx + sine * dy, middle_y - sine * dx + cosine * dy);
    }));
  }
  return out;
}

// A part around one drawn place, a quarter of the side at least, brought back to the whole size.
std::vector<Pixels> crop(const Pixels& clean, const std::vector<double>& levels, const RandomStream& stream) {
  std::vector<Pixels> out;
  for (const double level : levels) {
    const double side = std::sqrt(std::max(1 - level, 1.0 / 16));
    const double left = stream.uniform(0) * (1 - side) * (clean.width - 1), top = stream.uniform(1) * (1 - side) * (clean.height - 1);
    out.push_back(moved(clean, [&](int x, int y) { return std::pair(left + side * x, top + side * y); }));
  }
  return out;
}

}  // namespace

extern const NoiseKind kRotation, kCrop;
const NoiseKind kRotation = {"rotation", "turned about the middle by `level` x 90 degrees", rotation};
const NoiseKind kCrop = {"crop", "`level` of the area cut away around a drawn place, the rest enlarged", crop};

}  // namespace palimpsest
