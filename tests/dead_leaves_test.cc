#include <cmath>

#include <gtest/gtest.h>

#include "runtime/durable_file.h"
#include "runtime/image_source.h"

namespace palimpsest {
namespace {

double luminance(const Image& image, int x, int y) {
  const std::uint8_t* pixel = &image.rgb[3 * (static_cast<std::size_t>(y) * image.width + x)];
  return (pixel[0] + pixel[1] + pixel[2]) / 765.0;
}

/// Mean square difference of pixels `gap` apart, over the first images.
double structure(const ImageSource& images, int gap) {
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < images.count(); ++i) {
    const Image image = images.image(i);
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x + gap < image.width; ++x, ++count) {
        const double difference = luminance(image, x + gap, y) - luminance(image, x, y);
        sum += difference * difference;
      }
  }
  return sum / static_cast<double>(count);
}

TEST(DeadLeaves, AreAFunctionOfSeedIndexAndSide) {
  const auto some = dead_leaves(7, 10, 64), more = dead_leaves(7, 1000, 64), other = dead_leaves(8, 10, 64);
  EXPECT_EQ(some->image(9), more->image(9));
  EXPECT_EQ(some->hash(9), more->hash(9));
  EXPECT_NE(some->image(9), some->image(8));
  EXPECT_NE(some->image(9), other->image(9));
  EXPECT_NE(some->hash(9), other->hash(9));
}

TEST(DeadLeaves, AreTheSameBytesInEveryBuild) {
  EXPECT_EQ(dead_leaves(0, 1, 96)->hash(0), "7800521955f0a4c9b1294064bc4e0cdc");
}

TEST(DeadLeaves, HaveAFigureOverTheMiddleWithAnExactMask) {
  const auto images = dead_leaves(1, 50, 96);
  EXPECT_TRUE(images->has_masks());
  for (std::int64_t i = 0; i < images->count(); ++i) {
    const Mask mask = *images->mask(i);
    ASSERT_EQ(mask.figure.size(), 96u * 96u);
    EXPECT_EQ(mask.figure[48 * 96 + 48], 255) << i;
    std::int64_t area = 0;
    double x_sum = 0, y_sum = 0;
    for (int y = 0; y < 96; ++y)
      for (int x = 0; x < 96; ++x)
        if (mask.figure[y * 96 + x]) {
          ++area;
          x_sum += x;
          y_sum += y;
        }
    const double share = static_cast<double>(area) / (96 * 96);
    EXPECT_GT(share, 0.07);
    EXPECT_LT(share, 0.42);
    // A disc: every figure pixel, and no other, lies within the radius its area tells.
    const double radius = std::sqrt(static_cast<double>(area) / 3.14159265), cx = x_sum / area, cy = y_sum / area;
    for (int y = 0; y < 96; ++y)
      for (int x = 0; x < 96; ++x) {
        const double distance = std::hypot(x - cx, y - cy);
        if (std::abs(distance - radius) > 1) {
          ASSERT_EQ(mask.figure[y * 96 + x] != 0, distance < radius) << i << " " << x << " " << y;
        }
      }
  }
}

// One surface has no edges: neighbours well inside the mask are alike.
TEST(DeadLeaves, ShowTheFigureBeforeAllOtherLeaves) {
  const auto images = dead_leaves(2, 50, 96);
  for (std::int64_t i = 0; i < images->count(); ++i) {
    const Image image = images->image(i);
    const Mask mask = *images->mask(i);
    for (int y = 2; y < 94; ++y)
      for (int x = 2; x < 94; ++x) {
        bool inside = true;
        for (int dy = -2; dy <= 2; ++dy)
          for (int dx = -2; dx <= 2; ++dx) inside = inside && mask.figure[(y + dy) * 96 + x + dx];
        ASSERT_TRUE(!inside || std::abs(luminance(image, x, y) - luminance(image, x - 1, y)) < 0.25)
            << i << " " << x << " " << y;
      }
  }
}

TEST(DeadLeaves, HaveTheColoursOfPhotographs) {
  const auto images = dead_leaves(3, 200, 64);
  double mean = 0, square = 0, of_means = 0, chroma = 0;
  for (std::int64_t i = 0; i < images->count(); ++i) {
    const Image image = images->image(i);
    double sum = 0;
    for (int y = 0; y < 64; ++y)
      for (int x = 0; x < 64; ++x) {
        const double l = luminance(image, x, y),
                     yellow = (image.rgb[3 * (y * 64 + x)] - image.rgb[3 * (y * 64 + x) + 2]) / 255.0;
        sum += l, square += l * l, chroma += yellow * yellow;
      }
    mean += sum / 4096 / 200, of_means += std::pow(sum / 4096, 2) / 200;
  }
  const double sd = std::sqrt(square / (200 * 4096) - mean * mean), sd_of_means = std::sqrt(of_means - mean * mean);
  // 200 photographs of the Berkeley set: mean 0.41, SD 0.22, SD of the images' means 0.11; red minus blue 0.20 root
  // mean square.
  EXPECT_NEAR(mean, 0.41, 0.04);
  EXPECT_NEAR(sd, 0.22, 0.04);
  EXPECT_NEAR(sd_of_means, 0.11, 0.03);
  EXPECT_NEAR(std::sqrt(chroma / (200 * 4096)), 0.20, 0.06);
}

// Nearby pixels are alike and distant ones are not, at every scale: the differences grow smoothly with distance.
TEST(DeadLeaves, VaryAtAllScales) {
  const auto images = dead_leaves(4, 60, 96);
  const double one = structure(*images, 1), four = structure(*images, 4), sixteen = structure(*images, 16);
  EXPECT_GT(four, 1.5 * one);
  EXPECT_GT(sixteen, 1.15 * four);
}

TEST(DeadLeaves, CanBeSmallOrLarge) {
  for (const int side : {8, 33, 224})
    EXPECT_EQ(dead_leaves(5, 1, side)->image(0).rgb.size(), static_cast<std::size_t>(side) * side * 3);
}

}  // namespace
}  // namespace palimpsest
