#include "runtime/random_stream.h"

#include <gtest/gtest.h>

#include <set>

namespace palimpsest {
namespace {

// Known answers of Random123 (kat_vectors, philox4x32 with 10 rounds).
TEST(RandomStream, PhiloxGivesItsPublishedVectors) {
  using A = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (A{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (A{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (A{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, PermutationHoldsEachNumberOnceAndNeedsNoHistory) {
  const auto order = RandomStream(7).child(3).permutation(1000);
  EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), 1000u);
  EXPECT_EQ(order, RandomStream(7).child(3).permutation(1000));
  EXPECT_NE(order, RandomStream(7).child(4).permutation(1000));
}

TEST(RandomStream, NormalNumbersHaveMeanZeroAndUnitVariance) {
  std::vector<float> x(200000);
  RandomStream(1).fill_normal(x.data(), static_cast<std::int64_t>(x.size()));
  double sum = 0, squares = 0;
  for (float v : x) sum += v, squares += double{v} * v;
  EXPECT_NEAR(sum / x.size(), 0.0, 0.01);
  EXPECT_NEAR(squares / x.size(), 1.0, 0.01);
}

TEST(RandomStream, FillUniformIsTheSameNumbersAsBits) {
  std::vector<float> x(7);
  RandomStream(5).fill_uniform(x.data(), 7);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(x[i], static_cast<float>(RandomStream(5).bits(i) >> 8) * 0x1p-24f);
}

}  // namespace
}  // namespace palimpsest
