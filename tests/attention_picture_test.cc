#include "sweeps/attention_picture.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace palimpsest {
namespace {

struct Pixel {
  int red, green, blue;
};
Pixel at(const Image& image, int x, int y) {
  const auto place = static_cast<std::size_t>(y * image.width + x) * 3;
  return {image.rgb[place], image.rgb[place + 1], image.rgb[place + 2]};
}

// Two grey images of 16 x 16; the first row attends to the upper left patch of 2 x 2, the second to the lower right one.
std::vector<Attended> rows() {
  auto upper = at::zeros({2, 4}), lower = at::zeros({2, 4});
  upper.select(1, 0).fill_(1);
  lower.select(1, 3).fill_(0.5);
  return {{at::full({2, 3, 16, 16}, 0.5), upper}, {at::full({2, 3, 16, 16}, 0.5), lower}};
}

TEST(AttentionPicture, IsWarmWhereTheMapIsAndGreyElsewhere) {
  const auto picture = attention_picture(rows(), {});
  EXPECT_EQ(picture.width, 2 * 48);
  EXPECT_EQ(picture.height, 2 * 48);
  const auto warm = at(picture, 3, 3), cold = at(picture, 44, 44);
  EXPECT_GT(warm.red, warm.blue + 50);
  EXPECT_NEAR(cold.red, cold.blue, 12);   // the enlarged map rings a little
}

TEST(AttentionPicture, HasOneScaleDownAColumn) {
  const auto picture = attention_picture(rows(), {});
  const auto most = at(picture, 3, 3), half = at(picture, 44, 48 + 44);   // weights 1 and 0.5
  EXPECT_GT(most.green, half.green);
  EXPECT_GT(half.red, half.green + 20);
}

TEST(AttentionPicture, DrawsTheOutlineOfTheFigure) {
  Mask mask{16, 16, std::vector<std::uint8_t>(256, 0)};
  for (int y = 4; y < 12; ++y)
    for (int x = 4; x < 12; ++x) mask.figure[static_cast<std::size_t>(y * 16 + x)] = 255;
  const auto picture = attention_picture(rows(), {mask, mask});
  const auto edge = at(picture, 12, 20), inside = at(picture, 24, 25), beyond = at(picture, 48 + 36, 20);
  EXPECT_EQ(edge.red + edge.green + edge.blue, 3 * 255);
  EXPECT_LT(inside.red + inside.green + inside.blue, 3 * 255);
  EXPECT_EQ(beyond.red + beyond.green + beyond.blue, 3 * 255) << "the right edge";
}

}  // namespace
}  // namespace palimpsest
