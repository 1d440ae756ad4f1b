#include "runtime/kernels.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "runtime/linear_map.h"
#include "runtime/random_stream.h"
#include "runtime/run_axis.h"
#include "runtime/transformer_block.h"

namespace palimpsest {
namespace {

at::Tensor random(std::vector<std::int64_t> shape) {
  static auto numbers = at::detail::createCPUGenerator(1);
  return at::randn(shape, numbers, at::kDouble);
}
const float* data(const at::Tensor& t) { return t.const_data_ptr<float>(); }
float* data(at::Tensor& t) { return t.mutable_data_ptr<float>(); }

double distance(const at::Tensor& ours, const at::Tensor& theirs) {
  return (ours - theirs).abs().max().item<double>() / std::max(1.0, theirs.abs().max().item<double>());
}

// Shapes with rows that are no multiple of 6, columns of 8 or 16, depths beyond what is summed at once.
const std::vector<std::array<std::int64_t, 3>> kShapes = {{1, 1, 1},   {5, 7, 3},    {6, 16, 16},
                                                          {13, 24, 9}, {65, 37, 64}, {7, 48, 700}};

TEST(Patches, HaveTheBitsOfImagesThatLibTorchNormalisesAndCuts) {
  const std::array<float, 3> mean = {0.48f, 0.46f, 0.41f}, sd = {0.27f, 0.26f, 0.28f};
  for (const auto& [side, patch] : {std::pair{12, 4}, {64, 8}, {15, 5}}) {
    const std::int64_t grid = side / patch;
    const auto image = random({3, side, side}).to(at::kFloat);
    auto ours = at::empty({grid * grid, 3 * patch * patch});
    kernels().patches(data(image), mean.data(), sd.data(), side, patch, data(ours));
    const auto by_channel = [](const std::array<float, 3>& v) { return at::tensor(at::ArrayRef<float>(v)).view({3, 1, 1}); };
    const auto theirs = ((image - by_channel(mean)) / by_channel(sd)).view({3, grid, patch, grid, patch}).permute({1, 3, 0, 2, 4}).reshape_as(ours);
    EXPECT_TRUE(at::equal(ours, theirs)) << side << " " << patch;
  }
}

TEST(Product, EqualsLibTorchInDoubleWhateverTheShapeAndTheLayoutOfItsSides) {
  for (const auto& [M, N, K] : kShapes) {
    const auto a = random({M, K}), b = random({K, N});
    const auto expected = at::mm(a, b);
    const auto rows = a.to(at::kFloat), columns = rows.t().contiguous();
    const auto right = b.to(at::kFloat), turned = right.t().contiguous();
    auto panels = at::empty({size_of_panels(K, N)}), sixes = at::empty({size_of_sixes(M, K)}), c = at::empty({M, N});

    kernels().right_of_rows({data(right), N}, K, N, data(panels));
    kernels().product(left_of(data(rows), K), right_of_panels(data(panels), K), {}, {data(c), N}, M, N, K);
    EXPECT_LT(distance(c, expected), 2e-6) << M << " " << N << " " << K;

    kernels().right_of_transposed({data(turned), K}, K, N, data(panels));
    kernels().left_of_transposed({data(columns), M}, M, K, data(sixes));
    c.zero_();
    kernels().product(left_of_sixes(data(sixes), K), right_of_panels(data(panels), K), {}, {data(c), N}, M, N, K);
    EXPECT_LT(distance(c, expected), 2e-6) << M << " " << N << " " << K;

    c.zero_();
    kernels().product({data(columns), 1, M, kProductRows}, right_of({data(right), N}), {}, {data(c), N}, M, N, K);
    EXPECT_LT(distance(c, expected), 2e-6) << M << " " << N << " " << K;
  }
}

TEST(Product, FinishesWithScaleBiasFactorAndResidual) {
  for (const auto& [M, N, K] : kShapes) {
    const auto a = random({M, K}), b = random({K, N}), bias = random({N}), factor = random({M, N}),
               residual = random({M, N});
    const auto f = [](const at::Tensor& t) { return t.to(at::kFloat); };
    const auto a32 = f(a), b32 = f(b), bias32 = f(bias), factor32 = f(factor), residual32 = f(residual);
    auto c = at::empty({M, N});
    const auto run = [&](const Finish& finish) {
      kernels().product(left_of(data(a32), K), right_of({data(b32), N}), finish, {data(c), N}, M, N, K);
      return c;
    };
    EXPECT_LT(distance(run({.bias = data(bias32)}), at::mm(a, b) + bias), 2e-6);
    EXPECT_LT(distance(run({.bias = data(bias32),
                            .factor = {data(factor32), N},
                            .residual = {data(residual32), N},
                            .scale = 0.5f}),
                       residual + factor * (0.5 * at::mm(a, b) + bias)),
              2e-6);
  }
}

TEST(Product, GivesARowTheSameBitsWhereverItLies) {
  const std::int64_t M = 13, N = 40, K = 333;
  const auto a = at::randn({M, K}), b = at::randn({K, N}), bias = at::randn({N});
  auto whole = at::empty({M, N}), alone = at::empty({1, N});
  kernels().product(left_of(data(a), K), right_of({data(b), N}), {.bias = data(bias)}, {data(whole), N}, M, N, K);
  for (std::int64_t i = 0; i < M; ++i) {
    kernels().product(left_of(data(a) + i * K, K), right_of({data(b), N}), {.bias = data(bias)}, {data(alone), N}, 1, N,
                      K);
    EXPECT_TRUE(at::equal(alone[0], whole[i])) << "row " << i;
  }
}

TEST(Dropout, DecidesByTheHalvesOfTheStreamsWordsInOrder) {
  const RandomStream stream(77);
  for (const std::int64_t n : {1, 8, 255, 256, 1000}) {
    std::vector<float> out(static_cast<std::size_t>(n));
    kernels().dropout(stream.key(), 20000, 1.5f, out.data(), n);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto word = stream.bits(static_cast<std::uint64_t>(i / 2));
      const auto half = i % 2 == 0 ? word & 0xffff : word >> 16;
      ASSERT_EQ(out[static_cast<std::size_t>(i)], half < 20000 ? 0.0f : 1.5f) << i << " of " << n;
    }
  }
}

// A block with `maps` query, key and value maps (3, or 1 for all), of R runs or shared weights.
TransformerBlock random_block(std::int64_t R, std::int64_t C, std::int64_t F, std::int64_t heads, bool own, bool joint,
                              bool norm_first) {
  const auto parameter = [&](std::vector<std::int64_t> shape, double shift = 0) {
    if (own) shape.insert(shape.begin(), R);
    return Parameter{random(shape) * 0.3 + shift, own};
  };
  const auto map = [&](std::int64_t out, std::int64_t in) {
    return LinearMap{parameter({out, in}), parameter({out}), {}};
  };
  TransformerBlock block;
  if (joint)
    block.qkv = {map(3 * C, C)};
  else
    for (int i = 0; i < 3; ++i) block.qkv.push_back(map(C, C));
  if (!joint)
    block.qkv[1].adapter = Adapter{random({R, 8, C}), random({R, C, 8}), at::full({R}, 0.25, at::kDouble), {}};
  block.output = map(C, C);
  block.mlp_in = map(F, C);
  block.mlp_out = map(C, F);
  block.norm1 = {parameter({C}, 1), parameter({C})};
  block.norm2 = {parameter({C}, 1), parameter({C})};
  block.heads = heads;
  block.activation = norm_first ? Activation::kQuickGelu : Activation::kGelu;
  block.norm_first = norm_first;
  return block;
}

// Every tensor of a block by f, and those that get gradients listed.
template <class F>
TransformerBlock changed(TransformerBlock block, std::vector<at::Tensor>& leaves, const F& f) {
  const auto one = [&](at::Tensor& t) {
    t = f(t).requires_grad_(true);
    leaves.push_back(t);
  };
  const auto map = [&](LinearMap& m) {
    one(m.weight.value), one(m.bias.value);
    if (!m.adapter) return;
    one(m.adapter->a), one(m.adapter->b);
    m.adapter->scale = f(m.adapter->scale);
  };
  for (auto& m : block.qkv) map(m);
  map(block.output), map(block.mlp_in), map(block.mlp_out);
  for (auto* n : {&block.norm1, &block.norm2}) one(n->weight.value), one(n->bias.value);
  return block;
}

void expect_block_equals_plain(const TransformerBlock& block, std::int64_t R, std::int64_t B, std::int64_t T,
                               std::int64_t C, std::int64_t F, bool dropping) {
  const auto x = random({R, B, T, C}), d_out = random({R, B, T, C});
  std::vector<at::Tensor> ours, theirs;
  const auto single = changed(block, ours, [](const at::Tensor& t) { return t.to(at::kFloat); });
  const auto twofold = changed(block, theirs, [](const at::Tensor& t) { return t.clone(); });
  BlockDropout drop, drop_twofold;
  if (dropping) {
    const std::vector<RandomStream> streams(static_cast<std::size_t>(R), RandomStream(5));
    drop = {dropout_mask(streams, {B, block.heads, T, T}, 0.3), dropout_mask(streams, {B, T, C}, 0.3),
            dropout_mask(streams, {B, T, F}, 0.3), dropout_mask(streams, {B, T, C}, 0.3)};
    drop_twofold = {drop.weights.to(at::kDouble), drop.attended.to(at::kDouble), drop.inside.to(at::kDouble),
                    drop.fed.to(at::kDouble)};
  }
  ours.push_back(x.to(at::kFloat).requires_grad_(true)), theirs.push_back(x.clone().requires_grad_(true));
  at::Tensor maps, maps_twofold;
  const auto y = transformer_block(ours.back(), single, drop, &maps);
  const auto expected = transformer_block(theirs.back(), twofold, drop_twofold, &maps_twofold);
  EXPECT_LT(distance(y, expected), 1e-5);
  EXPECT_LT(distance(maps, maps_twofold), 1e-5);
  y.backward(d_out.to(at::kFloat));
  expected.backward(d_out);
  // The gradient of a key's bias is zero but for rounding, softmax being blind to it: the key's weight gives its scale.
  const std::size_t key_bias = block.qkv.size() == 3 ? 3 : ours.size();
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const auto error = (ours[i].grad() - theirs[i].grad()).abs().max().item<double>();
    const auto scale = theirs[i == key_bias ? 2 : i].grad().abs().max().item<double>();
    EXPECT_LT(error, 3e-5 * std::max(1.0, scale)) << "input " << i;
  }
  if (dropping) return;
  const at::NoGradGuard no_gradient;
  EXPECT_TRUE(at::equal(transformer_block(ours.back(), single), y)) << "without a gradient, other bits";
}

TEST(TransformerBlock, EqualsPlainOperationsInDoubleForwardAndBackward) {
  for (const bool own : {true, false})
    for (const bool norm_first : {true, false})
      for (const bool dropping : {true, false})
        for (const auto& [T, C, F, heads] :
             {std::array<std::int64_t, 4>{17, 32, 128, 2}, {65, 48, 40, 3}, {9, 20, 36, 2}})
          expect_block_equals_plain(random_block(2, C, F, heads, own, !norm_first, norm_first), 2, 6, T, C, F,
                                    dropping);
}

TEST(TransformerBlock, GivesTheFirstTokensTheBitsTheyHaveInTheWhole) {
  for (const bool own : {true, false})
    for (const bool norm_first : {true, false})
      for (const std::int64_t tokens : {1, 3, 17}) {
        std::vector<at::Tensor> leaves;
        const auto block = changed(random_block(2, 32, 64, 2, own, !norm_first, norm_first), leaves,
                                   [](const at::Tensor& t) { return t.to(at::kFloat); });
        const at::NoGradGuard no_gradient;
        const auto x = random({2, 40, 17, 32}).to(at::kFloat);
        at::Tensor maps, first_maps;
        const auto all = transformer_block(x, block, {}, &maps);
        EXPECT_TRUE(at::equal(first_tokens(x, tokens, block, &first_maps), all.slice(2, 0, tokens)));
        EXPECT_TRUE(at::equal(first_maps, maps.slice(3, 0, tokens)));
        auto observed = block;
        observed.head_gain = at::ones({2, 2});
        EXPECT_LT(distance(first_tokens(x, tokens, observed, &first_maps), all.slice(2, 0, tokens)), 1e-5)
            << "by plain operations";
        EXPECT_EQ(first_maps.size(3), tokens);
      }
}

TEST(TransformerBlock, TakesImagesByThePieceWithoutOneSeeingTheOthers) {
  std::vector<at::Tensor> leaves;
  const auto block = changed(random_block(1, 32, 64, 2, true, false, true), leaves,
                             [](const at::Tensor& t) { return t.to(at::kFloat); });
  const at::NoGradGuard no_gradient;
  const auto x = random({1, 40, 17, 32}).to(at::kFloat);
  const auto all = transformer_block(x, block);
  for (const std::int64_t image : {0, 18, 19, 39})
    EXPECT_TRUE(at::equal(transformer_block(x.slice(1, image, image + 1), block)[0][0], all[0][image])) << image;
}

}  // namespace
}  // namespace palimpsest
