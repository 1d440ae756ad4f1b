#include "sweeps/familiarity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "models/slow_weights.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

// A folder of its own that is gone at the end, with slow weights of a very small encoder in it.
class Familiarity : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("familiarity_test." + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    const VitConfig config{.width = 32, .depth = 2, .heads = 2, .mlp_width = 64, .patch = 8, .side = 32};
    write_slow_weights(weights(), {.config = config,
                                   .encoder = initial_vit(config, RandomStream(5)),
                                   .decoder_config = {},
                                   .decoder = {},
                                   .metadata = {}});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path weights() const { return folder_ / "slow.safetensors"; }

  Settings settings() const {
    auto s = default_settings(kFamiliarityStudy.keys);
    s.set("slow.weights", weights().string());
    s.set("images.source", std::string("dead-leaves"));
    s.set("images.total", std::int64_t{16});
    s.set("images.count", std::int64_t{2});
    s.set("alignment.reference", std::int64_t{8});
    s.set("training.epochs", std::int64_t{4});
    s.set("training.learning_rate", 1e-3);
    s.set("noise.levels", std::vector<double>{0, 0.3});
    s.set("noise.patterns", std::int64_t{2});
    s.set("noise.side", std::int64_t{32});
    return s;
  }

  std::filesystem::path folder_;
};

RunSpec spec_of(const Settings& settings, std::int64_t seed, std::int64_t image_set) {
  return {"seed " + std::to_string(seed) + " set " + std::to_string(image_set) + " rate " +
              text(settings.at("training.learning_rate")),
          settings, seed, image_set, 4};
}

std::map<RunId, RunResult> run(const std::vector<RunSpec>& pack) {
  std::map<RunId, RunResult> results;
  PackContext context;
  context.report = [&](RunResult result) { results[result.id] = std::move(result); };
  context.should_stop = [] { return false; };
  context.progress = [](double) {};
  kFamiliarityStudy.run_pack(pack, context);
  return results;
}

const Measurement& metric(const RunResult& result, const std::string& name) {
  for (const auto& m : result.measurements)
    if (m.metric == name) return m;
  throw std::logic_error("no metric " + name);
}

TEST_F(Familiarity, RunHasTheSameBitsAloneAndInPacksOfFourAndSixteen) {
  std::vector<RunSpec> runs;
  for (int i = 0; i < 16; ++i) {
    auto s = settings();
    s.set("training.learning_rate", i % 3 == 0 ? 1e-3 : 3e-4);
    s.set("fast.rank", std::int64_t{1 + i % 8});
    runs.push_back(spec_of(s, i / 4, i % 4));
  }
  const auto sixteen = run(runs);
  for (const int place : {0, 5, 15}) {
    const auto alone = run({runs[place]}).begin()->second;
    const auto four =
        run({runs[(place + 1) % 16], runs[place], runs[(place + 7) % 16], runs[(place + 9) % 16]}).at(runs[place].id);
    ASSERT_GT(alone.measurements.size(), 10u);
    for (const auto& m : alone.measurements) {
      EXPECT_EQ(m.values, metric(sixteen.at(runs[place].id), m.metric).values) << m.metric;
      EXPECT_EQ(m.values, metric(four, m.metric).values) << m.metric;
    }
  }
}

TEST_F(Familiarity, WithoutLearningNothingChangesBetweenEpochs) {
  for (const std::string qkv : {"adapter", "full", "frozen"}) {
    auto s = settings();
    s.set("fast.qkv", qkv);
    s.set("training.learning_rate", 0.0);
    const auto result = run({spec_of(s, 1, 0)}).begin()->second;
    for (const auto& m : result.measurements) {
      if (m.metric == "loss") continue;  // dropout makes it move
      const auto epochs = m.axes[1].labels.size(), rest = m.values.size() / 2 / epochs;
      for (std::size_t set = 0; set < 2; ++set)
        for (std::size_t i = 0; i < rest; ++i)
          EXPECT_EQ(m.values[set * epochs * rest + i], m.values[((set + 1) * epochs - 1) * rest + i])
              << m.metric << " of " << qkv;
    }
  }
}

TEST_F(Familiarity, ConditionsOfOneSeedStartAlike) {
  std::map<std::string, RunResult> by_condition;
  for (const std::string qkv : {"adapter", "full", "frozen"}) {
    auto s = settings();
    s.set("fast.qkv", qkv);
    by_condition[qkv] = run({spec_of(s, 3, 1)}).begin()->second;
  }
  for (const auto& m : by_condition["adapter"].measurements) {
    const std::size_t rest = m.metric == "loss" ? 1 : m.values.size() / 2 / m.axes[1].labels.size();
    for (std::size_t i = 0; i < rest; ++i) {
      EXPECT_EQ(m.values[i], metric(by_condition["full"], m.metric).values[i]) << m.metric;
      EXPECT_EQ(m.values[i], metric(by_condition["frozen"], m.metric).values[i]) << m.metric;
    }
  }
  EXPECT_NE(metric(by_condition["adapter"], "loss").values.back(),
            metric(by_condition["frozen"], "loss").values.back());
}

TEST_F(Familiarity, RunThatDivergesFailsAloneWithItsStep) {
  auto wild = settings();
  wild.set("training.learning_rate", 1e38);
  wild.set("training.epochs", std::int64_t{12});
  auto tame = wild;
  tame.set("training.learning_rate", 1e-3);
  auto exploding = spec_of(wild, 0, 0), steady = spec_of(tame, 0, 0);
  const auto together = run({exploding, steady});
  const auto alone = run({steady}).begin()->second;
  for (const auto& m : alone.measurements)
    EXPECT_EQ(m.values, metric(together.at(steady.id), m.metric).values) << m.metric;
  const auto& failed = together.at(exploding.id);
  EXPECT_THAT(failed.failure, HasSubstr("not finite at step"));
  EXPECT_TRUE(failed.measurements.empty());
}

TEST_F(Familiarity, SetsAreDisjointAndNovelIsTheNextFamiliar) {
  const auto source = dead_leaves(3, 16, 32);
  std::set<std::int64_t> seen;
  for (std::int64_t set = 0; set < 4; ++set) {
    const auto chosen = choose_images(*source, settings(), set, 4);
    for (const auto i : chosen.familiar) EXPECT_TRUE(seen.insert(i).second);
    EXPECT_EQ(chosen.novel, choose_images(*source, settings(), (set + 1) % 4, 4).familiar);
    EXPECT_EQ(chosen.reference.size(), 8u);
    for (const auto i : chosen.reference)
      for (const auto* own : {&chosen.familiar, &chosen.novel}) EXPECT_EQ(std::count(own->begin(), own->end(), i), 0);
  }
}

TEST_F(Familiarity, SaysHowManyImagesAreNeeded) {
  auto s = settings();
  s.set("images.total", std::int64_t{11});
  try {
    kFamiliarityStudy.inspect(s, 0, 6);
    FAIL() << "12 images were found among 11";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("6 image sets of 2 need 12 images"));
    EXPECT_THAT(e.what(), HasSubstr("there are 11"));
  }
}

TEST_F(Familiarity, NoisyPixelsOfALevelAreAmongThoseOfTheNext) {
  const Image clean{4, 5, std::vector<std::uint8_t>(60, 100)};
  const auto order = RandomStream(1).permutation(20);
  std::set<int> before;
  for (const double level : {0.1, 0.3, 0.5}) {
    Image noisy = clean;
    salt_and_pepper(noisy, level, order);
    std::set<int> now;
    int white = 0;
    for (int i = 0; i < 20; ++i)
      if (noisy.rgb[3 * i] != 100) now.insert(i), white += noisy.rgb[3 * i] == 255;
    const int n = static_cast<int>(level * 20 + 1e-9);
    EXPECT_EQ(static_cast<int>(now.size()), n);
    EXPECT_EQ(white, n / 2);
    EXPECT_TRUE(std::includes(now.begin(), now.end(), before.begin(), before.end()));
    before = now;
  }
}

TEST(FamiliarityLayers, AreWordsOrNumbersOfBlocksThatExist) {
  EXPECT_EQ(layers_of("early", 4), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(layers_of("late", 4), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(layers_of("0,3", 4), (std::vector<std::int64_t>{0, 3}));
  EXPECT_THROW(layers_of("4", 4), InputError);
  EXPECT_THROW(layers_of("0;1", 4), InputError);
}

}  // namespace
}  // namespace palimpsest
