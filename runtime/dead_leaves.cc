// Dead leaves (Lee, Mumford & Huang, "Occlusion models for natural images", IJCV 2001): opaque discs whose radii follow
// r^-3, which makes the picture look alike at every scale, fall on each other. Drawn from the front to the back: what
// is hidden is never painted.
//
// Every number comes from the random stream of (seed, index) by additions, products, divisions and square roots alone,
// which IEEE 754 rounds the same everywhere; this file and leaf_surface.cc are compiled without contraction to fused
// products (CMakeLists.txt). So the bytes are a function of (seed, index, side).

#include <algorithm>
#include <cmath>
#include <string>

#include "runtime/durable_file.h"
#include "runtime/image_source.h"
#include "runtime/leaf_canvas.h"
#include "runtime/leaf_surface.h"
#include "runtime/random_stream.h"

namespace palimpsest {
namespace {

// Mean number of leaves over a pixel before the background shows: exp(-12) of it stays open.
constexpr int kLayers = 12;

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
