#include "sweeps/circuit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <ATen/ATen.h>

#include "sweeps/circuit_metrics.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

Settings settings() {
  auto s = default_settings(kCircuitStudy.keys);
  s.set("images.total", std::int64_t{16});
  s.set("images.side", std::int64_t{32});
  s.set("images.count", std::int64_t{2});
  s.set("plasticity.theta_count", std::int64_t{2});
  s.set("input.side", std::int64_t{20});
  s.set("filters.orientations", std::int64_t{2});
  s.set("filters.frequencies", std::vector<double>{0.8});
  s.set("noise.patterns", std::int64_t{2});
  s.set("noise.levels", std::vector<double>{0, 0.3, 0.5});
  s.set("training.epochs", std::int64_t{2});
  s.set("training.half_ms", 60.0);
  s.set("plasticity.tau_w", 1e8);
  s.set("test.ms", 60.0);
  return s;
}

RunSpec spec_of(const Settings& settings, std::int64_t seed, std::int64_t image_set) {
  return {
      "seed " + std::to_string(seed) + " set " + std::to_string(image_set) + " " + text(settings.at("training.gain")),
      settings, seed, image_set, 4};
}

std::map<RunId, RunResult> run(const std::vector<RunSpec>& pack) {
  std::map<RunId, RunResult> results;
  PackContext context;
  context.report = [&](RunResult result) { results[result.id] = std::move(result); };
  context.should_stop = [] { return false; };
  context.progress = [](double) {};
  kCircuitStudy.run_pack(pack, context);
  return results;
}

RunResult run_alone(const Settings& settings) { return run({spec_of(settings, 1, 0)}).begin()->second; }

const Measurement& metric(const RunResult& result, const std::string& name) {
  for (const auto& m : result.measurements)
    if (m.metric == name) return m;
  throw std::logic_error("no metric " + name);
}

void expect_equal_bits(const RunResult& a, const RunResult& b) {
  ASSERT_EQ(a.measurements.size(), b.measurements.size());
  for (const auto& m : a.measurements) {
    const auto& other = metric(b, m.metric).values;
    ASSERT_EQ(m.values.size(), other.size()) << m.metric;
    EXPECT_EQ(std::memcmp(m.values.data(), other.data(), other.size() * sizeof(float)), 0) << m.metric;
  }
}

TEST(Circuit, HasTheSameBitsAloneAndInShuffledPacksOfFourAndSixteen) {
  std::vector<RunSpec> runs;
  for (int i = 0; i < 16; ++i) {
    auto s = settings();
    s.set("training.gain", i % 3 == 0 ? 30.0 : 20.0);
    runs.push_back(spec_of(s, i / 4, i % 4));
  }
  const auto sixteen = run(runs);
  for (const int place : {0, 5, 15}) {
    const auto& own = runs[place];
    expect_equal_bits(sixteen.at(own.id), run({own}).at(own.id));
    expect_equal_bits(sixteen.at(own.id),
                      run({runs[(place + 9) % 16], runs[(place + 1) % 16], own, runs[(place + 4) % 16]}).at(own.id));
  }
}

TEST(Circuit, MeasuresWhatItDeclares) {
  const auto result = run_alone(settings());
  EXPECT_EQ(result.failure, "");
  for (const auto& info : circuit_metric_list()) {
    const auto& m = metric(result, info.name);
    ASSERT_EQ(m.axes.size(), info.axes.size()) << info.name;
    std::size_t size = 1;
    for (std::size_t i = 0; i < m.axes.size(); ++i) {
      EXPECT_EQ(m.axes[i].name, info.axes[i]);
      size *= m.axes[i].labels.size();
    }
    EXPECT_EQ(m.values.size(), size) << info.name;
  }
  EXPECT_THAT(metric(result, "manifold.relative").axes[2].labels, ::testing::ElementsAre("0.3", "0.5"));
  EXPECT_THAT(metric(result, "tuning.curve").axes[1].labels, ::testing::ElementsAre("1", "2"));
}

TEST(Circuit, DoesNotChangeWithoutLearning) {
  auto s = settings();
  s.set("plasticity.rule", std::string("frozen"));
  for (const auto& m : run_alone(s).measurements) {
    if (m.axes.size() < 2 || m.axes[1].name != "epoch" || m.axes[1].labels.size() != 3) continue;
    const std::size_t rest = m.values.size() / 2 / 3;
    for (std::size_t i = 0; i < m.values.size(); ++i) {
      const std::size_t first = i / (3 * rest) * 3 * rest + i % rest;
      EXPECT_TRUE(m.values[i] == m.values[first] || std::isnan(m.values[i])) << m.metric;
    }
  }
  const auto learned = run_alone(settings());
  const auto& relative = metric(learned, "manifold.relative").values;
  EXPECT_NE(relative[0], relative[4]);
}

TEST(Circuit, ThatRunsAwayFailsAloneWithItsReason) {
  auto wild = settings();
  wild.set("circuit.lesion", std::string("inhibition"));
  wild.set("circuit.row_sum", 500.0);
  wild.set("circuit.bound", 1e6);
  wild.set("training.gain", 31.0);
  const auto away = spec_of(wild, 0, 0), steady = spec_of(settings(), 0, 0);
  const auto together = run({away, steady});
  EXPECT_THAT(together.at(away.id).failure, HasSubstr("stability.ceiling"));
  EXPECT_TRUE(together.at(away.id).measurements.empty());
  expect_equal_bits(together.at(steady.id), run({steady}).at(steady.id));
}

TEST(Circuit, RefusesWhatCannotBe) {
  const auto refused = [](const char* key, Value value, const char* word) {
    auto s = settings();
    s.set(key, std::move(value));
    try {
      kCircuitStudy.inspect(s, 0, 4);
      ADD_FAILURE() << key << " was taken";
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(word));
    }
  };
  refused("input.side", std::int64_t{8}, "smaller than a filter");
  refused("noise.levels", std::vector<double>{0.1, 0.3}, "must begin with 0");
  refused("evaluation.epochs", std::vector<std::int64_t>{0, 9}, "end at or before training.epochs = 2");
  refused("test.ms", 12.0, "fewer than two samples");
  refused("circuit.step", 10.0, "must be below");
  refused("plasticity.theta_count", std::int64_t{13}, "plasticity.theta_count");
}

TEST(CircuitInput, NoisyPixelsAreTheSameForAllImagesAndThoseOfALevelAmongThoseOfTheNext) {
  const RandomStream stream(3);
  const GreyImage dark(400, 0.25), light(400, 0.75);
  std::size_t changed_before = 0;
  for (const double level : {0.1, 0.3, 0.5}) {
    const auto a = noisy(dark, level, 1, false, stream), b = noisy(light, level, 1, false, stream);
    std::size_t changed = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i] != 0.25, b[i] != 0.75);
      changed += a[i] != 0.25;
    }
    EXPECT_EQ(changed, static_cast<std::size_t>(level * 400 + 1e-9));
    EXPECT_GT(changed, changed_before);
    changed_before = changed;
  }
}

TEST(CircuitInput, FiltersHaveMeanZeroAndLengthOneAndBanksOfSetsDiffer) {
  CircuitInputConfig config;
  for (const bool drawn : {false, true}) {
    config.drawn_bank = drawn;
    const auto bank = gabor_bank(config, RandomStream(1));
    ASSERT_EQ(bank.size(), 64u);
    for (const auto& filter : bank) {
      double sum = 0, square = 0;
      for (const double v : filter) sum += v, square += v * v;
      EXPECT_NEAR(sum, 0, 1e-12);
      EXPECT_NEAR(square, 1, 1e-12);
    }
    EXPECT_EQ(bank == gabor_bank(config, RandomStream(2)), !drawn);
  }
}

TEST(CircuitInput, ShufflingKeepsTheGreyValues) {
  GreyImage image(100);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<double>(i);
  auto mixed = shuffled(image, RandomStream(5));
  EXPECT_NE(mixed, image);
  std::ranges::sort(mixed);
  EXPECT_EQ(mixed, image);
}

// Two images two apart, noise that moves each by 1 at right angles.
at::Tensor two_images() {
  auto x = at::zeros({2, 1, 2, 3}, at::kDouble);  // levels, patterns, images, neurons
  for (int level = 0; level < 2; ++level) {
    x[level][0][0][0] = 1;
    x[level][0][1][0] = -1;
    for (int image = 0; image < 2; ++image) x[level][0][image][1] = level;
  }
  return x;
}

TEST(CircuitMetrics, AreThoseOfAPairOfImagesWorkedOutByHand) {
  const auto got = circuit_geometry(two_images(), {0, 0.1});
  EXPECT_NEAR(got.at("manifold.relative").item<double>(), 1, 1e-12);  // 1 over sqrt(1)
  EXPECT_NEAR(got.at("manifold.effective").item<double>(), 1 / std::sqrt(5.0), 1e-12);
  EXPECT_NEAR(got.at("manifold.alignment").item<double>(), 1 / std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(got.at("manifold.similarity").item<double>(), 1 / std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(got.at("manifold.increment").item<double>(), 0.5, 1e-12);  // one tenth of noise, images 2 apart
  EXPECT_NEAR(got.at("manifold.level").item<double>(), 0.5, 1e-12);
  EXPECT_NEAR(got.at("manifold.to_clean").item<double>(), 0.5, 1e-12);
}

TEST(CircuitMetrics, AngleIsAStraightOneWhereTrainingUndoesTheNoise) {
  auto undone = two_images(), further = two_images();
  undone.select(-1, 1).fill_(0.0);
  further[1].select(-1, 1).fill_(2.0);
  EXPECT_NEAR(circuit_change(two_images(), undone).at("expansion.angle").item<double>(), 0, 1e-5);
  EXPECT_NEAR(circuit_change(two_images(), further).at("expansion.angle").item<double>(), 180, 1e-5);
}

TEST(CircuitMetrics, SparsenessIsZeroWhereAllFireAlikeAndOneWhereOneDoes) {
  auto x = at::zeros({1, 1, 2, 4}, at::kDouble);
  x.select(2, 0).fill_(3.0);
  x[0][0][1][2] = 5;
  EXPECT_NEAR(circuit_activity(x.slice(2, 0, 1)).at("sparseness.population").item<double>(), 0, 1e-12);
  EXPECT_NEAR(circuit_activity(x.slice(2, 1, 2)).at("sparseness.population").item<double>(), 1, 1e-12);
}

}  // namespace
}  // namespace palimpsest
