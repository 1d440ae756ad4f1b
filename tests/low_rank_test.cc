#include "runtime/low_rank.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/low_rank_twin.h"

namespace palimpsest {
namespace {

constexpr double kTolerance = 1e-5;   // of the largest number of a tensor

struct Shape {
  std::int64_t runs, rows, in, out, rank;
};

// One row, less than a warp's, a piece and its neighbours; widths that no lane count divides; ranks that are padded and that are not.
const std::vector<Shape> kShapes = {{1, 1, 1, 1, 1},    {1, 3, 7, 5, 4},       {5, 31, 33, 37, 1},  {1, 32, 64, 32, 8},
                                    {5, 33, 65, 19, 4}, {1, 97, 129, 131, 16}, {5, 70, 48, 48, 12}, {3, 64, 40, 72, 16}};

/// What is added to and what is added, as leaves that want gradients.
struct Terms {
  at::Tensor sum, x;
  Adapter adapter;

  Terms to(at::ScalarType type) const {
    const auto leaf = [&](const at::Tensor& t) { return t.detach().to(type, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true); };
    return {leaf(sum), leaf(x), {leaf(adapter.a), leaf(adapter.b), adapter.scale.to(type), {}}};
  }
  /// The runs of these numbers alone.
  Terms of_runs(std::int64_t first, std::int64_t count) const {
    const auto cut = [&](const at::Tensor& t) { return t.detach().narrow(0, first, count).contiguous(); };
    return Terms{cut(sum), cut(x), {cut(adapter.a), cut(adapter.b), cut(adapter.scale), {}}}.to(at::kFloat);
  }
  std::vector<at::Tensor> gradients() const { return {sum.grad(), x.grad(), adapter.a.grad(), adapter.b.grad()}; }
};

Terms drawn(const Shape& s) {
  at::manual_seed(s.rows);
  return {at::randn({s.runs, s.rows, s.out}), at::randn({s.runs, s.rows, s.in}),
          {at::randn({s.runs, s.rank, s.in}), at::randn({s.runs, s.out, s.rank}), at::rand({s.runs}) + 0.5, {}}};
}

at::Tensor by_products(const Terms& t) {
  const auto& [a, b, scale, gain] = t.adapter;
  return t.sum + scale.view({-1, 1, 1}) * at::bmm(at::bmm(t.x, a.transpose(1, 2)), b.transpose(1, 2));
}

at::Tensor by_kernel(const Terms& t) { return add_low_rank(kLowRankTwin, t.sum, t.x, t.adapter); }

void expect_close(const at::Tensor& ours, const at::Tensor& exact, const std::string& what) {
  ASSERT_EQ(ours.sizes(), exact.sizes()) << what;
  EXPECT_LE((ours.to(at::kDouble) - exact).abs().max().item<double>(), kTolerance * std::max(1.0, exact.abs().max().item<double>())) << what;
}

TEST(LowRank, GivesTheOutputAndGradientsOfProductsInFloat64) {
  const std::vector<std::string> names = {"of the sum", "of x", "of A", "of B"};
  for (const Shape& shape : kShapes) {
    const auto what = "R=" + std::to_string(shape.runs) + " M=" + std::to_string(shape.rows) + " r=" + std::to_string(shape.rank) + " ";
    const Terms ours = drawn(shape).to(at::kFloat), exact = ours.to(at::kDouble);
    const auto y = by_kernel(ours), expected = by_products(exact);
    expect_close(y, expected, what);
    const auto dy = at::randn(y.sizes());
    y.backward(dy);
    expected.backward(dy.to(at::kDouble));
    for (std::size_t i = 0; i < names.size(); ++i) expect_close(ours.gradients()[i], exact.gradients()[i], what + names[i]);
  }
}

TEST(LowRank, GivesARunTheBitsThatItHasAlone) {
  const Shape shape{5, 75, 41, 43, 8};
  const Terms all = drawn(shape).to(at::kFloat);
  const auto dy = at::randn({shape.runs, shape.rows, shape.out});
  const auto y = by_kernel(all);
  y.backward(dy);
  for (std::int64_t run = 0; run < shape.runs; ++run) {
    const Terms one = all.of_runs(run, 1);
    const auto alone = by_kernel(one);
    alone.backward(dy.narrow(0, run, 1));
    EXPECT_TRUE(at::equal(alone[0], y[run])) << run;
    for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(at::equal(one.gradients()[i][0], all.gradients()[i][run])) << run << " " << i;
  }
}

TEST(LowRank, KeepsThePaddingOfAnAdapterExactlyZero) {
  for (const std::int64_t padded : {4, 8, 16}) {
    Terms terms = drawn({2, 45, 33, 21, padded});
    const std::int64_t own = padded / 2 + 1;
    terms.adapter.a.slice(1, own).zero_();
    terms.adapter.b.slice(2, own).zero_();
    const Terms whole = terms.to(at::kFloat);
    Terms bare = terms;
    bare.adapter.a = terms.adapter.a.slice(1, 0, own).contiguous(), bare.adapter.b = terms.adapter.b.slice(2, 0, own).contiguous();
    bare = bare.to(at::kFloat);
    const auto y = by_kernel(whole), without = by_kernel(bare);
    y.sum().backward();
    without.sum().backward();
    EXPECT_TRUE(at::equal(y, without)) << padded;
    EXPECT_TRUE(at::equal(whole.x.grad(), bare.x.grad())) << padded;
    EXPECT_EQ(whole.adapter.a.grad().slice(1, own).abs().max().item<float>(), 0) << padded;
    EXPECT_EQ(whole.adapter.b.grad().slice(2, own).abs().max().item<float>(), 0) << padded;
    EXPECT_TRUE(at::equal(whole.adapter.a.grad().slice(1, 0, own), bare.adapter.a.grad())) << padded;
  }
}

TEST(LowRank, FormsNoGradientThatNobodyAskedFor) {
  const Terms all = drawn({2, 40, 9, 11, 4}).to(at::kFloat);
  by_kernel(all).sum().backward();
  Terms some = all.to(at::kFloat);
  some.x.requires_grad_(false), some.adapter.a.requires_grad_(false);
  by_kernel(some).sum().backward();
  EXPECT_FALSE(some.x.grad().defined() || some.adapter.a.grad().defined());
  EXPECT_TRUE(at::equal(some.adapter.b.grad(), all.adapter.b.grad()));
  some = all.to(at::kFloat);
  some.adapter.a.requires_grad_(false);
  by_kernel(some).sum().backward();
  EXPECT_TRUE(at::equal(some.x.grad(), all.x.grad()));
}

TEST(LowRank, TakesRowsThatLieApart) {
  const Terms terms = drawn({2, 34, 10, 12, 4});
  const auto apart = [](const at::Tensor& t) { return t.transpose(1, 2).contiguous().transpose(1, 2); };
  Terms other{apart(terms.sum), apart(terms.x), terms.adapter};
  EXPECT_TRUE(at::equal(by_kernel(other), by_kernel(terms)));
}

TEST(LowRank, IsForGpusWhereItIsAskedFor) {
  const Terms terms = drawn({1, 2, 3, 4, 4});
  EXPECT_FALSE(fuses_adapters({c10::kCUDA, 0})) << "where it is not wanted nothing is loaded";
  fuse_adapters_on_gpus(true);
  EXPECT_FALSE(fuses_adapters(c10::kCPU));
  EXPECT_EQ(low_rank_kernels(terms.sum, terms.x, terms.adapter), nullptr);
  fuse_adapters_on_gpus(false);
}

}  // namespace
}  // namespace palimpsest
