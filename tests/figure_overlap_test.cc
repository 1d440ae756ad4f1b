#include "sweeps/figure_overlap.h"

#include <gtest/gtest.h>

#include <cmath>

namespace palimpsest {
namespace {

// cv2.resize(np.array([[0, 1], [2, 5]], "f4"), (4, 4), interpolation=cv2.INTER_CUBIC), by the definition of its kernel.
TEST(FigureOverlap, EnlargesByKeysCubicAtMinusThreeQuarters) {
  const double map[] = {0, 1, 2, 5};
  const auto out = enlarge_cubic(map, 2, 4);
  // One dimension first: weights of a sample a quarter of a pixel off, (a, b) replicated at both ends.
  const auto one = [](double left, double right, double at) {
    const auto k = [](double x) {
      x = std::abs(x);
      return x < 1 ? (1.25 * x - 2.25) * x * x + 1 : x < 2 ? ((-0.75 * x + 3.75) * x - 6) * x + 3 : 0.0;
    };
    const int base = static_cast<int>(std::floor(at));
    double sum = 0;
    for (int i = base - 1; i <= base + 2; ++i) sum += k(at - i) * (i <= 0 ? left : right);
    return sum;
  };
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) {
      const double px = (x + 0.5) / 2 - 0.5, py = (y + 0.5) / 2 - 0.5;
      EXPECT_NEAR(out[y * 4 + x], one(one(0, 1, px), one(2, 5, px), py), 1e-12);
    }
}

TEST(FigureOverlap, IsOneWhereTheBrightPartIsTheFigureOrTheGround) {
  Mask mask{4, 4, std::vector<std::uint8_t>(16, 0)};
  for (int i : {5, 6, 9, 10}) mask.figure[i] = 255;
  const FigureOverlap overlap(mask, RandomStream(1));
  std::vector<double> on_figure(16, 0), on_ground(16, 1), half(16, 0);
  for (int i : {5, 6, 9, 10}) on_figure[i] = 1, on_ground[i] = 0;
  half[5] = half[6] = half[0] = 1;
  EXPECT_EQ(overlap.score(on_figure).iou, 1.0);
  EXPECT_EQ(overlap.score(on_ground).iou, 1.0);
  EXPECT_EQ(overlap.score(half).iou, 2.0 / 5.0);  // 2 common of 5 together; the ground: 1 of 14
  EXPECT_LT(overlap.score(on_figure).chance, 0.7);
  EXPECT_GT(overlap.score(on_figure).chance, 0.2);
}

TEST(FigureOverlap, OfNothingBrightIsZero) {
  Mask mask{2, 2, {255, 0, 0, 0}};
  EXPECT_EQ(FigureOverlap(mask, RandomStream(1)).score(std::vector<double>(4, 0.0)).iou, 0.0);
}

}  // namespace
}  // namespace palimpsest
