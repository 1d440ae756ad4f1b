// Dead leaves (Lee, Mumford & Huang, "Occlusion models for natural images", IJCV 2001): opaque discs whose radii follow
// r^-3, which makes the picture look alike at every scale, fall on each other. Drawn from the front to the back: what
// is hidden is never painted.
//
// Every number comes from the random stream of (seed, index) by additions, products, divisions and square roots alone,
// which IEEE 754 rounds the same everywhere; this file is compiled without contraction to fused products
// (CMakeLists.txt). So the bytes are a function of (seed, index, side).

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "runtime/durable_file.h"
#include "runtime/image_source.h"
#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

constexpr int kLayers =
    12;  // mean number of leaves over a pixel before the background shows: exp(-12) of it stays open
constexpr float kOpaque = 1.0f / 512;  // what is less open than this cannot change an 8-bit colour

/// The next of a stream's numbers, one after another.
class Draws {
 public:
  Draws(const RandomStream& stream, std::uint64_t first_block) : stream_(stream), next_(first_block) {}
  float uniform() {
    if (used_ == 4) block_ = stream_.block(next_++), used_ = 0;
    return static_cast<float>(block_[used_++] >> 8) * 0x1p-24f;
  }
  float between(float low, float high) { return low + (high - low) * uniform(); }
  /// Mean 0, SD 1, bell-shaped: three uniforms summed.
  float bell() { return 2.0f * (uniform() + uniform() + uniform() - 1.5f); }

 private:
  const RandomStream& stream_;
  std::uint64_t next_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

struct Colour {
  float r = 0, g = 0, b = 0;
};

/// Light along the three axes in which the colours of photographs vary least together: luminance, yellow to blue, green
/// to magenta.
Colour from_opponent(float light, float yellow, float green) {
  return {light + 0.707f * yellow - 0.408f * green, light + 0.816f * green, light - 0.707f * yellow - 0.408f * green};
}

/// What all leaves of an image share, as the things in one photograph share their light.
struct Scene {
  float light, contrast, yellow, green;
};

Scene draw_scene(const RandomStream& stream) {
  Draws draw(stream, 0);
  return {0.42f + 0.10f * draw.bell(), draw.between(0.15f, 0.30f), 0.04f + 0.07f * draw.bell(),
          0.02f + 0.03f * draw.bell()};
}

/// Texture: value noise on a turned lattice at two scales, or a grating, under a slope of light.
struct Surface {
  Colour colour;
  float along_x, along_y;  // unit vector the texture is turned by
  float scale;             // lattice cells, or periods, per pixel
  float noise, grating;    // amplitudes
  float slope_x, slope_y;  // of the light, per pixel
  std::uint32_t key;
};

struct Leaf {
  float x, y, radius;
};

// A bounded hash of a lattice point (Wang's mix), to [-1, 1].
float lattice(std::int32_t x, std::int32_t y, std::uint32_t key) {
  std::uint32_t h = static_cast<std::uint32_t>(x) * 0x8da6b343u + static_cast<std::uint32_t>(y) * 0xd8163841u + key;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return static_cast<float>((h ^ (h >> 16)) >> 8) * 0x1p-23f - 1.0f;
}

float smooth(float t) { return t * t * (3.0f - 2.0f * t); }

float value_noise(float u, float v, std::uint32_t key) {
  const float fu = std::floor(u), fv = std::floor(v);
  const auto x = static_cast<std::int32_t>(fu), y = static_cast<std::int32_t>(fv);
  const float a = smooth(u - fu), b = smooth(v - fv);
  const float top = lattice(x, y, key) * (1 - a) + lattice(x + 1, y, key) * a;
  const float bottom = lattice(x, y + 1, key) * (1 - a) + lattice(x + 1, y + 1, key) * a;
  return top * (1 - b) + bottom * b;
}

// A wave of period 1 in [-1, 1] made of two parabolas.
float wave(float phase) {
  const float t = phase - std::floor(phase) - 0.5f;
  return t < 0 ? 16.0f * t * (t + 0.5f) : 16.0f * t * (0.5f - t);
}

Surface draw_surface(Draws& draw, const Scene& scene, float radius) {
  Surface s{};
  // Chroma has heavier tails than light: most leaves are nearly grey, a few are vivid.
  const float vivid = draw.uniform();
  const float chroma = 0.3f + 2.2f * vivid * vivid * vivid;
  s.colour = from_opponent(scene.light + scene.contrast * draw.bell(), scene.yellow + 0.07f * chroma * draw.bell(),
                           scene.green + 0.03f * chroma * draw.bell());
  const float x = draw.between(-1, 1), y = draw.between(-1, 1), length = std::sqrt(x * x + y * y) + 1e-6f;
  s.along_x = x / length;
  s.along_y = y / length;
  s.scale = 1.0f / (draw.between(2.0f, 6.0f) + 0.4f * radius * draw.uniform());
  const float roughness = 0.18f * draw.uniform() * draw.uniform();
  const bool striped = draw.uniform() < 0.25f;
  s.noise = striped ? 0.25f * roughness : roughness;
  s.grating = striped ? roughness : 0.0f;
  s.slope_x = 0.10f * draw.bell() / (radius + 4);
  s.slope_y = 0.10f * draw.bell() / (radius + 4);
  s.key = static_cast<std::uint32_t>(draw.uniform() * 0x1p24f) * 0x9e3779b9u;
  return s;
}

float shade(const Surface& s, float dx, float dy) {
  float light = s.slope_x * dx + s.slope_y * dy;
  const float u = (s.along_x * dx + s.along_y * dy) * s.scale, v = (s.along_x * dy - s.along_y * dx) * s.scale;
  light += s.noise * (value_noise(u, v, s.key) + 0.5f * value_noise(2 * u, 2 * v, s.key + 1));
  return s.grating > 0 ? light + s.grating * wave(u) : light;
}

/// Colours gathered so far and how open each pixel still is to what lies behind.
class Canvas {
 public:
  explicit Canvas(int side)
      : side_(side), sum_(static_cast<std::size_t>(side) * side), open_(sum_.size(), 1.0f), row_open_(side, side) {}

  bool covered() const { return covered_rows_ == side_; }

  bool shows(const Leaf& leaf) const {
    const auto [top, bottom] = rows(leaf);
    for (int y = top; y < bottom; ++y) {
      const auto [left, right] = columns(leaf, y);
      for (int x = left; row_open_[y] && x < right; ++x)
        if (open_[at(x, y)] > 0) return true;
    }
    return false;
  }

  void paint(const Leaf& leaf, const Surface& surface) {
    const auto [top, bottom] = rows(leaf);
    for (int y = top; y < bottom; ++y) {
      if (!row_open_[y]) continue;
      const auto [left, right] = columns(leaf, y);
      for (int x = left; x < right; ++x)
        if (open_[at(x, y)] > 0) lay(x, y, coverage(leaf, x, y), surface, x + 0.5f - leaf.x, y + 0.5f - leaf.y);
    }
  }

  void paint_background(const Surface& surface) {
    for (int y = 0; y < side_; ++y)
      for (int x = 0; row_open_[y] && x < side_; ++x)
        if (open_[at(x, y)] > 0) lay(x, y, 1.0f, surface, static_cast<float>(x), static_cast<float>(y));
  }

  Image image() const {
    Image image{side_, side_, std::vector<std::uint8_t>(sum_.size() * 3)};
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      image.rgb[3 * i] = byte(sum_[i].r);
      image.rgb[3 * i + 1] = byte(sum_[i].g);
      image.rgb[3 * i + 2] = byte(sum_[i].b);
    }
    return image;
  }

  /// Share of the pixel inside the disc, to a first order: its edge fades over one pixel.
  static float coverage(const Leaf& leaf, int x, int y) {
    const float dx = x + 0.5f - leaf.x, dy = y + 0.5f - leaf.y, inside = leaf.radius - 0.5f;
    const float squared = dx * dx + dy * dy;
    if (inside > 0 && squared <= inside * inside) return 1.0f;
    return std::clamp(leaf.radius + 0.5f - std::sqrt(squared), 0.0f, 1.0f);
  }

 private:
  static std::uint8_t byte(float light) {
    return static_cast<std::uint8_t>(std::clamp(light, 0.0f, 1.0f) * 255.0f + 0.5f);
  }
  std::size_t at(int x, int y) const { return static_cast<std::size_t>(y) * side_ + x; }
  int clamped(float edge) const { return static_cast<int>(std::clamp(edge, 0.0f, static_cast<float>(side_))); }

  std::pair<int, int> rows(const Leaf& leaf) const {
    return {clamped(leaf.y - leaf.radius - 1), clamped(leaf.y + leaf.radius + 2)};
  }
  std::pair<int, int> columns(const Leaf& leaf, int y) const {
    const float dy = y + 0.5f - leaf.y, outer = leaf.radius + 0.5f, squared = outer * outer - dy * dy;
    if (squared <= 0) return {0, 0};
    const float half = std::sqrt(squared);
    return {clamped(leaf.x - half), clamped(leaf.x + half + 1)};
  }

  void lay(int x, int y, float coverage, const Surface& surface, float dx, float dy) {
    if (coverage <= 0) return;
    float& open = open_[at(x, y)];
    const float share = open * coverage, light = shade(surface, dx, dy);
    Colour& sum = sum_[at(x, y)];
    sum.r += share * std::clamp(surface.colour.r + light, 0.0f, 1.0f);
    sum.g += share * std::clamp(surface.colour.g + light, 0.0f, 1.0f);
    sum.b += share * std::clamp(surface.colour.b + light, 0.0f, 1.0f);
    open -= share;
    if (open >= kOpaque) return;
    open = 0;
    if (--row_open_[y] == 0) ++covered_rows_;
  }

  int side_;
  std::vector<Colour> sum_;
  std::vector<float> open_;
  std::vector<int> row_open_;  // pixels of each row that are still open
  int covered_rows_ = 0;
};

/// The disc of the middle: it covers the centre pixel and lies in front of all others.
Leaf draw_figure(Draws& draw, int side) {
  return {side * draw.between(0.42f, 0.58f), side * draw.between(0.42f, 0.58f), side * draw.between(0.16f, 0.36f)};
}

RandomStream stream_of(std::uint64_t seed, std::int64_t index) {
  return RandomStream(seed).child(purpose("dead leaves")).child(static_cast<std::uint64_t>(index));
}
// Where in the stream the numbers of the figure and of each leaf begin: four numbers a block, at most 24 a leaf.
constexpr std::uint64_t kFigureBlock = 8, kFirstLeafBlock = 16, kBlocksPerLeaf = 8;

Leaf figure_of(const RandomStream& stream, int side) {
  Draws draw(stream, kFigureBlock);
  return draw_figure(draw, side);
}

Image draw_image(const RandomStream& stream, int side) {
  const Scene scene = draw_scene(stream);
  Canvas canvas(side);

  Draws figure_draw(stream, kFigureBlock);
  const Leaf figure = draw_figure(figure_draw, side);
  canvas.paint(figure, draw_surface(figure_draw, scene, figure.radius));

  const float smallest = std::max(1.0f, side / 48.0f), largest = side / 2.5f;
  const float a = 1 / (smallest * smallest), b = 1 / (largest * largest);
  const float field = side + 2 * largest;
  // Mean area of a disc with density proportional to r^-3: 2 pi log(largest / smallest) / (a - b), the logarithm being
  // near 3.
  const float mean_area = 2 * 3.14159265f * 3.0f / (a - b);
  const int leaves = static_cast<int>(kLayers * field * field / mean_area);
  for (int i = 0; i < leaves && !canvas.covered(); ++i) {
    Draws draw(stream, kFirstLeafBlock + static_cast<std::uint64_t>(i) * kBlocksPerLeaf);
    const float radius = 1 / std::sqrt(a + (b - a) * draw.uniform());
    const Leaf leaf{draw.between(-largest, side + largest), draw.between(-largest, side + largest), radius};
    if (canvas.shows(leaf)) canvas.paint(leaf, draw_surface(draw, scene, radius));
  }
  Draws background(stream, kFirstLeafBlock + static_cast<std::uint64_t>(leaves) * kBlocksPerLeaf);
  canvas.paint_background(draw_surface(background, scene, largest));
  return canvas.image();
}

/// A pixel is figure where its centre lies in the disc, which is where the disc covers at least half of it.
Mask draw_mask(const RandomStream& stream, int side) {
  const Leaf figure = figure_of(stream, side);
  Mask mask{side, side, std::vector<std::uint8_t>(static_cast<std::size_t>(side) * side)};
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      mask.figure[static_cast<std::size_t>(y) * side + x] = Canvas::coverage(figure, x, y) >= 0.5f ? 255 : 0;
  return mask;
}

class DeadLeaves final : public ImageSource {
 public:
  DeadLeaves(std::uint64_t seed, std::int64_t count, int side) : seed_(seed), count_(count), side_(side) {}

  std::int64_t count() const override { return count_; }
  std::string name(std::int64_t index) const override {
    return "dead-leaves-" + std::to_string(seed_) + "-" + std::to_string(index);
  }
  Image image(std::int64_t index) const override { return draw_image(stream_of(seed_, index), side_); }
  std::optional<Mask> mask(std::int64_t index) const override { return draw_mask(stream_of(seed_, index), side_); }
  bool has_masks() const override { return true; }
  std::string hash(std::int64_t index) const override {
    std::vector<std::uint8_t> content = image(index).rgb;
    const Mask figure = *mask(index);
    content.insert(content.end(), figure.figure.begin(), figure.figure.end());
    return content_hash(std::as_bytes(std::span(content)));
  }

 private:
  std::uint64_t seed_;
  std::int64_t count_;
  int side_;
};

}  // namespace

std::unique_ptr<ImageSource> dead_leaves(std::uint64_t seed, std::int64_t count, int side) {
  return std::make_unique<DeadLeaves>(seed, count, side);
}

}  // namespace palimpsest
