#pragma once

// Discs laid under each other. Part of dead_leaves.cc.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "runtime/image.h"
#include "runtime/leaf_surface.h"

namespace palimpsest {

struct Leaf {
  float x, y, radius;
};

inline constexpr float kOpaque = 1.0f / 512;  // what is less open than this cannot change an 8-bit colour

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

}  // namespace palimpsest
