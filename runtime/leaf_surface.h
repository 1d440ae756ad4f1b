#pragma once

// What a dead leaf looks like: colour, texture and light. Part of dead_leaves.cc.

#include <array>
#include <cstdint>

#include "runtime/random_stream.h"

namespace palimpsest {

/// The next of a stream's numbers, one after another: at most one in an expression, whose parts C++ may take in any
/// order (but not in braces).
class Draws {
 public:
  Draws(const RandomStream& stream, std::uint64_t first_block) : stream_(stream), next_(first_block) {}
  float uniform() {
    if (used_ == 4) block_ = stream_.block(next_++), used_ = 0;
    return static_cast<float>(block_[used_++] >> 8) * 0x1p-24f;
  }
  float between(float low, float high) { return low + (high - low) * uniform(); }
  /// Mean 0, SD 1, bell-shaped: three uniforms summed.
  float bell() {
    float sum = uniform();
    sum += uniform();
    sum += uniform();
    return 2.0f * (sum - 1.5f);
  }

 private:
  const RandomStream& stream_;
  std::uint64_t next_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

struct Colour {
  float r = 0, g = 0, b = 0;
};

/// What all leaves of an image share, as the things in one photograph share their light.
struct Scene {
  float light, contrast, yellow, green;
};

Scene draw_scene(const RandomStream& stream);

/// Texture: value noise on a turned lattice at two scales, or a grating, under a slope of light.
struct Surface {
  Colour colour;
  float along_x, along_y;  // unit vector the texture is turned by
  float scale;             // lattice cells, or periods, per pixel
  float noise, grating;    // amplitudes
  float slope_x, slope_y;  // of the light, per pixel
  std::uint32_t key;
};

Surface draw_surface(Draws& draw, const Scene& scene, float radius);

/// What the texture and the light add to the surface's colour at (dx, dy) pixels from its middle.
float shade(const Surface& surface, float dx, float dy);

}  // namespace palimpsest
