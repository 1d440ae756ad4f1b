#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>

#include "models/fast_weights.h"
#include "runtime/run_axis.h"

namespace palimpsest {
namespace {

// What a pack of runs computes, seen from one of its runs.
struct Seen {
  at::Tensor loss, last_loss, gradient, weight;
};

FastConfig config_of_seed(std::uint64_t seed) {
  return {.rank = 1 + static_cast<std::int64_t>(seed % 8),
          .scale = 4,
          .layers = {0, 1},
          .adapters = RandomStream(seed).child(1),
          .decoder = RandomStream(seed).child(2)};
}

// Trains the runs of these seeds for three steps in one pack and returns what run `place` saw.
std::vector<AdamW::Slot> all_of(const FastNetwork& network) {
  auto all = network.rest;
  all.insert(all.end(), network.fast.begin(), network.fast.end());
  return all;
}

Seen trained(const std::vector<std::uint64_t>& seeds, std::size_t place, Qkv qkv) {
  at::set_num_threads(1);
  const VitConfig config{.width = 32, .depth = 2, .heads = 2, .mlp_width = 128, .patch = 8, .side = 32};
  const DecoderConfig decoder{.input_width = 32, .width = 32, .depth = 1, .heads = 2, .patch = 8, .side = 32};
  const SlowWeights slow{.config = config,
                         .encoder = initial_vit(config, RandomStream(99)),
                         .decoder_config = {},
                         .decoder = {},
                         .metadata = {}};
  std::vector<FastConfig> runs;
  std::vector<at::Tensor> images;
  AdamW::Options options;
  for (auto seed : seeds) {
    runs.push_back(config_of_seed(seed));
    auto pixels = at::empty({2, 3, 32, 32});
    RandomStream(seed).child(3).fill_uniform(pixels.data_ptr<float>(), pixels.numel());
    images.push_back(pixels);
    options.learning_rate.push_back(1e-3 * static_cast<double>(1 + seed % 3));
    options.weight_decay.push_back(0.01);
  }
  auto network = build_fast_network(slow, decoder, {.qkv = qkv, .targets = {"query", "key", "value"}}, runs);
  AdamW optimizer(all_of(network), options);
  const auto x = at::stack(images), target = pixel_patches(x, 8);
  Seen seen;
  for (std::uint64_t step = 0; step < 3; ++step) {
    std::vector<RandomStream> drop;
    for (auto seed : seeds) drop.push_back(RandomStream(seed).child(4).child(step));
    auto tokens = network.encoder.embed(x);
    for (int layer = 0; layer < 2; ++layer) tokens = network.encoder.block(layer, tokens);
    const auto loss =
        pixel_loss(at::sigmoid(network.decoder.forward(tokens.slice(2, 1).contiguous(), drop)), target, 0.1);
    optimizer.zero_grad();
    loss.sum().backward();
    const auto row = static_cast<std::int64_t>(place);
    if (step == 0) seen.loss = loss.detach()[row].clone(), seen.gradient = network.rest[7].value.grad()[row].clone();
    seen.last_loss = loss.detach()[row].clone();
    optimizer.step();
  }
  seen.weight = network.rest[7].value.detach()[static_cast<std::int64_t>(place)].clone();
  return seen;
}

void expect_same_bits(const Seen& a, const Seen& b) {
  EXPECT_TRUE(at::equal(a.loss, b.loss)) << a.loss << b.loss;
  EXPECT_TRUE(at::equal(a.gradient, b.gradient));
  EXPECT_TRUE(at::equal(a.last_loss, b.last_loss));
  EXPECT_TRUE(at::equal(a.weight, b.weight));
}

class Company : public ::testing::TestWithParam<Qkv> {};

TEST_P(Company, OfOneThreeOrSixteenLeavesARunItsBits) {
  const auto alone = trained({5}, 0, GetParam());
  expect_same_bits(alone, trained({1, 5, 2}, 1, GetParam()));
  expect_same_bits(alone, trained({0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 5}, 15, GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Conditions, Company, ::testing::Values(Qkv::kAdapter, Qkv::kFull, Qkv::kFrozen));

// Operator calls of `run`, forward and backward.
template <class F>
std::int64_t operator_calls(const F& run) {
  static std::atomic<std::int64_t> calls;
  calls = 0;
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> {
        ++calls;
        return nullptr;
      }).scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  run();
  at::removeCallback(handle);
  return calls;
}

TEST(RunAxis, PackOfSixteenIssuesAtMostTwiceTheOperatorCallsOfOneRun) {
  const auto one = operator_calls([] { trained({5}, 0, Qkv::kAdapter); });
  const auto sixteen = operator_calls([] {
    trained({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 5, Qkv::kAdapter);
  });
  RecordProperty("one", std::to_string(one));
  RecordProperty("sixteen", std::to_string(sixteen));
  EXPECT_GT(one, 300);
  EXPECT_LE(sixteen, 2 * one) << one << " calls of one run, " << sixteen << " of sixteen";
}

TEST(RunAxis, AdapterThatIsZeroAddsNothingAndItsPaddingStaysZero) {
  const auto config = config_of_seed(1);  // rank 2, padded to 8
  const VitConfig vit{.width = 32, .depth = 2, .heads = 2, .mlp_width = 128, .patch = 8, .side = 32};
  const DecoderConfig decoder{.input_width = 32, .width = 32, .depth = 1, .heads = 2, .patch = 8, .side = 32};
  const SlowWeights slow{.config = vit,
                         .encoder = initial_vit(vit, RandomStream(99)),
                         .decoder_config = {},
                         .decoder = {},
                         .metadata = {}};
  auto network = build_fast_network(slow, decoder, {.qkv = Qkv::kAdapter, .targets = {"query"}}, {config});
  const auto plain = VitEncoder(vit, slow.encoder);
  const auto images = at::rand({1, 2, 3, 32, 32});
  EXPECT_TRUE(at::equal(network.encoder.block(0, network.encoder.embed(images)), plain.block(0, plain.embed(images))));

  AdamW optimizer(all_of(network), {.learning_rate = {1e-2}, .weight_decay = {0.01}});
  for (int step = 0; step < 3; ++step) {
    optimizer.zero_grad();
    network.encoder.block(1, network.encoder.block(0, network.encoder.embed(images))).square().mean().backward();
    optimizer.step();
  }
  const auto& a = network.fast[network.fast.size() - 2].value;
  const auto& b = network.fast[network.fast.size() - 1].value;
  EXPECT_GT(b.abs().max().item<float>(), 0);
  EXPECT_EQ(a.slice(1, 2).abs().max().item<float>(), 0);
  EXPECT_EQ(b.slice(2, 2).abs().max().item<float>(), 0);
}

TEST(RunAxis, NanInOneRunLeavesTheOthersAlone) {
  const Parameter weight{at::randn({2, 8, 16}), true};
  auto x = at::randn({2, 4, 16});
  x[0].fill_(std::nan(""));
  const auto y = layer_norm(linear(x, weight, {}), {at::ones({8}), false}, {at::zeros({8}), false}, 1e-5);
  EXPECT_TRUE(y[0].isnan().all().item<bool>());
  EXPECT_TRUE(y[1].isfinite().all().item<bool>());
}

TEST(RunAxis, DropoutKeepsTheMeanAndIsAFunctionOfTheStreamAlone) {
  const auto mask = dropout_mask({RandomStream(1), RandomStream(2)}, {100, 100}, 0.1);
  EXPECT_NEAR(mask.mean().item<float>(), 1.0, 0.01);
  EXPECT_NEAR((mask == 0).to(at::kFloat).mean().item<float>(), 0.1, 0.01);
  EXPECT_TRUE(at::equal(mask[1], dropout_mask({RandomStream(2)}, {100, 100}, 0.1)[0]));
}

// The fused functions on a CPU against plain operations in float64, which they do not serve: values and gradients.
void expect_equal_to_plain(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& f,
                           const std::vector<std::vector<std::int64_t>>& shapes) {
  std::vector<at::Tensor> single, twofold;
  for (const auto& shape : shapes) {
    const auto x = at::randn(shape, at::kDouble);
    twofold.push_back(x.clone().requires_grad_(true));
    single.push_back(x.to(at::kFloat).requires_grad_(true));
  }
  const auto fused = f(single), plain = f(twofold);
  EXPECT_LT((fused - plain).abs().max().item<double>(), 1e-6 * std::max(1.0, plain.abs().max().item<double>()));
  const auto weight = at::randn(plain.sizes(), at::kDouble);
  (fused * weight.to(at::kFloat)).sum().backward();
  (plain * weight).sum().backward();
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto &ours = single[i].grad(), &theirs = twofold[i].grad();
    EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-5 * std::max(1.0, theirs.abs().max().item<double>()))
        << "input " << i;
  }
}

TEST(Fused, ActivationsEqualPlainOperations) {
  for (const auto kind : {Activation::kQuickGelu, Activation::kGelu})
    expect_equal_to_plain([&](const auto& x) { return activate(4 * x[0], kind); }, {{2, 5, 37}});
}

TEST(Fused, LayerNormEqualsPlainOperationsForOwnAndSharedWeights) {
  for (const std::int64_t width : {16, 37, 192})
    for (const bool own : {true, false}) {
      const std::vector<std::int64_t> weights =
          own ? std::vector<std::int64_t>{3, width} : std::vector<std::int64_t>{width};
      expect_equal_to_plain(
          [&](const auto& x) {
            return layer_norm(x[0] + 3, {x[1], own}, {x[2], own}, 1e-5);
          },
          {{3, 2, 5, width}, weights, weights});
    }
}

TEST(Fused, AttentionEqualsPlainOperationsWithAndWithoutDropout) {
  for (const auto [T, heads, d] : {std::array<std::int64_t, 3>{5, 2, 16}, {65, 2, 16}, {17, 3, 20}, {33, 1, 64}})
    for (const bool dropping : {false, true}) {
      const auto drop =
          dropping ? dropout_mask({RandomStream(1), RandomStream(2)}, {2, heads, T, T}, 0.3) : at::Tensor();
      expect_equal_to_plain(
          [&](const auto& x) {
            at::Tensor probabilities;
            const auto out =
                attention(x[0], x[1], x[2], heads, dropping ? drop.to(x[0].scalar_type()) : drop, &probabilities);
            EXPECT_LT((probabilities.sum(-1) - 1).abs().max().template item<double>(), 1e-5);
            return out;
          },
          {{2, 2, T, heads * d}, {2, 2, T, heads * d}, {2, 2, T, heads * d}});
    }
}

TEST(Fused, AttentionTakesThirdsOfAJointProduct) {
  const auto joint = at::randn({1, 2, 9, 3 * 32});
  const auto parts = joint.chunk(3, -1);
  EXPECT_TRUE(at::equal(attention(parts[0], parts[1], parts[2], 2),
                        attention(parts[0].contiguous(), parts[1].contiguous(), parts[2].contiguous(), 2)));
}

TEST(AdamW, GivesTheNumbersOfThePublishedAlgorithmForEachRun) {
  auto value = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({2, 2}).requires_grad_(true);
  AdamW optimizer({{value, true, true, {}, {}}}, {.learning_rate = {0.1, 0.01}, .weight_decay = {0.0, 0.5}});
  double expected[2] = {1.0, 3.0}, m[2] = {}, v[2] = {};
  const double rate[2] = {0.1, 0.01}, decay[2] = {0.0, 0.5};
  for (int step = 1; step <= 5; ++step) {
    optimizer.zero_grad();
    value.square().sum().backward();
    for (int run = 0; run < 2; ++run) {
      const double g = 2 * expected[run];
      m[run] = 0.9 * m[run] + 0.1 * g, v[run] = 0.999 * v[run] + 0.001 * g * g;
      expected[run] -= rate[run] * decay[run] * expected[run];
      expected[run] -=
          rate[run] * (m[run] / (1 - std::pow(0.9, step))) / (std::sqrt(v[run] / (1 - std::pow(0.999, step))) + 1e-8);
    }
    optimizer.step();
  }
  for (int run = 0; run < 2; ++run) EXPECT_NEAR(value[run][0].item<float>(), expected[run], 1e-5);
}

}  // namespace
}  // namespace palimpsest
