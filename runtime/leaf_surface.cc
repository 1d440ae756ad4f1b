#include "runtime/leaf_surface.h"

#include <cmath>

namespace palimpsest {
namespace {

/// Light along the three axes in which the colours of photographs vary least together: luminance, yellow to blue, green
/// to magenta.
Colour from_opponent(float light, float yellow, float green) {
  return {light + 0.707f * yellow - 0.408f * green, light + 0.816f * green, light - 0.707f * yellow - 0.408f * green};
}

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

}  // namespace

Scene draw_scene(const RandomStream& stream) {
  Draws draw(stream, 0);
  return {0.42f + 0.10f * draw.bell(), draw.between(0.15f, 0.30f), 0.04f + 0.07f * draw.bell(),
          0.02f + 0.03f * draw.bell()};
}

Surface draw_surface(Draws& draw, const Scene& scene, float radius) {
  Surface s{};
  // Chroma has heavier tails than light: most leaves are nearly grey, a few are vivid.
  const float vivid = draw.uniform(), chroma = 0.3f + 2.2f * vivid * vivid * vivid;
  const float light = scene.light + scene.contrast * draw.bell();
  const float yellow = scene.yellow + 0.07f * chroma * draw.bell();
  const float green = scene.green + 0.03f * chroma * draw.bell();
  s.colour = from_opponent(light, yellow, green);

  const float x = draw.between(-1, 1), y = draw.between(-1, 1), length = std::sqrt(x * x + y * y) + 1e-6f;
  s.along_x = x / length;
  s.along_y = y / length;
  const float finest = draw.between(2.0f, 6.0f), coarser = 0.4f * radius * draw.uniform();
  s.scale = 1.0f / (finest + coarser);
  float roughness = 0.18f * draw.uniform();
  roughness *= draw.uniform();
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

}  // namespace palimpsest
