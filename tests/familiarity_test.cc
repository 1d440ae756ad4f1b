#include "sweeps/familiarity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "models/adapted_weights.h"
#include "models/slow_weights.h"
#include "runtime/durable_file.h"
#include "sweeps/kept_networks.h"
#include "tests/small_familiarity.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

RunSpec spec_of(const Settings& settings, std::int64_t seed, std::int64_t image_set) {
  return {"seed " + std::to_string(seed) + " set " + std::to_string(image_set) + " rate " +
              text(settings.at("training.learning_rate")),
          settings, seed, image_set, 4};
}

std::map<RunId, RunResult> run(const std::vector<RunSpec>& pack) { return results_of(familiarity_study(), pack); }

struct Shape {
  std::size_t sets, epochs, rest;
};
Shape shape_of(const Measurement& m) {
  const std::size_t sets = m.axes[0].name == "images" ? 2 : 1, epochs = m.axes[sets - 1].labels.size();
  return {sets, epochs, m.values.size() / sets / epochs};
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
      const auto [sets, epochs, rest] = shape_of(m);
      for (std::size_t set = 0; set < sets; ++set)
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
    const std::size_t rest = m.metric == "loss" ? 1 : shape_of(m).rest;
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

TEST_F(Familiarity, RunsThatLeaveThePackChangeNoBitOfTheOthers) {
  for (const std::string rule : {"adamw", "sgd", "hebbian", "ridge"}) {
    auto tame = settings();
    tame.set("training.epochs", std::int64_t{6});
    tame.set("fast.rule", rule);
    tame.set("training.optimizer", std::string(rule == "sgd" ? "sgd" : "adamw"));
    tame.set("evaluation.epochs", std::vector<std::int64_t>{0, 2});
    tame.set("evaluation.manifold_epochs", std::vector<std::int64_t>{0, 2, 3});
    auto wild = tame, brief = tame;
    wild.set("training.learning_rate", 1e38);
    brief.set("training.epochs", std::int64_t{3});
    const std::vector<RunSpec> pack = {{"wild", wild, 3, 2, 4}, {"a", tame, 1, 0, 4}, {"brief", brief, 4, 3, 4}, {"nan", wild, 5, 1, 4}, {"b", tame, 2, 1, 4}};
    const auto signature = familiarity_study().signature(tame);
    for (const auto& run : pack) EXPECT_EQ(familiarity_study().signature(run.settings), signature) << run.id;
    const auto together = run(pack);
    ASSERT_EQ(together.size(), pack.size());
    for (const char* id : {"wild", "nan"}) EXPECT_THAT(together.at(id).failure, HasSubstr("not finite at step")) << rule;
    for (const auto& one : {pack[1], pack[2], pack[4]}) {
      const auto alone = run({one}).at(one.id);
      ASSERT_EQ(alone.measurements.size(), together.at(one.id).measurements.size());
      for (const auto& m : alone.measurements) EXPECT_EQ(m.values, metric(together.at(one.id), m.metric).values) << rule << " " << one.id << " " << m.metric;
    }
    EXPECT_EQ(metric(together.at("brief"), "loss").values.size(), 3u);
  }
}

// With a file for each run in `folder`/trained, by its id.
std::map<RunId, RunResult> run_and_keep(std::vector<RunSpec> pack, const std::filesystem::path& folder) {
  for (auto& one : pack) one.settings.set("keep", std::string("trained"));
  keep_networks_in(folder);
  auto results = run(pack);
  keep_networks_in({});
  return results;
}

TEST_F(Familiarity, NetworkThatIsTrainedAgainHasTheBitsOfTheOneThatWasKept) {
  auto s = settings();
  s.set("fast.rank", std::int64_t{3});
  s.set("fast.layers", std::string("1"));
  auto wild = s;
  wild.set("training.learning_rate", 1e38);
  const RunSpec first{"first", s, 1, 0, 4}, failing{"failing", wild, 1, 0, 4}, second{"second", s, 2, 3, 4};
  const auto results = run_and_keep({failing, first, second}, folder_.path());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "trained" / "failing.safetensors"));
  PackContext quiet;
  quiet.should_stop = [] { return false; };
  quiet.progress = [](double) {};
  train_familiarity_again(second, folder_ / "again.safetensors", quiet);
  EXPECT_EQ(read_file(folder_ / "trained" / "second.safetensors"), read_file(folder_ / "again.safetensors"));
  EXPECT_NE(read_file(folder_ / "trained" / "second.safetensors"), read_file(folder_ / "trained" / "first.safetensors"));

  const auto kept = read_adapted_weights(folder_ / "trained" / "second.safetensors");
  EXPECT_EQ(kept.adapters.size(), 3u);  // query, key and value of block 1
  EXPECT_EQ(kept.adapters.begin()->second.a.size(0), 3);
  EXPECT_TRUE(kept.slow.decoder_config);
  EXPECT_THROW(train_familiarity_again(failing, folder_ / "none.safetensors", quiet), InputError);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none.safetensors"));
}

TEST_F(Familiarity, DecoderOfTheSlowWeightsIsWhereRunsBeginAndStaysWhereItDoesNotTrain) {
  auto s = settings();
  s.set("decoder.initial", std::string("slow"));
  EXPECT_THROW(familiarity_study().inspect(s, 0, 4), InputError);  // these slow weights have none
  auto slow = read_slow_weights(weights());
  slow.decoder_config = DecoderConfig{.input_width = 32, .width = 24, .depth = 1, .heads = 2, .patch = 8, .side = 32};
  slow.decoder = initial_decoder(*slow.decoder_config, RandomStream(6), /*mask_token=*/true);
  const auto file = folder_ / "with decoder.safetensors";
  write_slow_weights(file, slow);
  s.set("slow.weights", file.string());
  s.set("decoder.trains", false);
  s.set("evaluation.metrics", std::vector<std::string>{"reconstruction"});
  const auto results = run_and_keep({{"one", s, 1, 0, 4}, {"two", s, 2, 0, 4}}, folder_.path());
  const auto clean = [&](const char* id) { return metric(results.at(id), "reconstruction.mse").values.front(); };  // epoch 0, no noise
  EXPECT_EQ(clean("one"), clean("two"));
  const auto kept = read_adapted_weights(folder_ / "trained" / "one.safetensors");
  EXPECT_EQ(kept.slow.decoder_config->width, 24);
  for (const auto& [name, parameter] : kept.slow.decoder) EXPECT_TRUE(at::equal(parameter.value, slow.decoder.at(name).value)) << name;
  s.set("decoder.width", std::int64_t{32});
  EXPECT_THROW(familiarity_study().inspect(s, 0, 4), InputError);
}

TEST_F(Familiarity, FiguresOfARunAreMeasuredWhateverItsCompany) {
  const auto source = dead_leaves(3, 16, 32);
  for (const char* part : {"images", "masks"}) std::filesystem::create_directories(folder_ / part);
  const auto name = [](std::int64_t i) { return std::to_string(100 + i) + ".png"; };
  for (std::int64_t i = 0; i < 16; ++i) {
    write_png(folder_ / "images" / name(i), source->image(i));
    Image mask{32, 32, std::vector<std::uint8_t>(3 * 32 * 32, 0)};
    std::fill_n(mask.rgb.begin(), mask.rgb.size() / 3, 255);
    write_png(folder_ / "masks" / name(i), mask);
  }
  std::filesystem::remove(folder_ / "masks" / name(choose_images(*source, settings(), 0, 4).familiar[0]));
  auto s = settings();
  s.set("images.source", std::string("folder"));
  s.set("images.path", (folder_ / "images").string());
  s.set("images.masks", (folder_ / "masks").string());
  const auto without = spec_of(s, 0, 0), with = spec_of(s, 0, 2);
  const auto together = run({without, with});
  EXPECT_EQ(metric(together.at(with.id), "attention.figure_iou").values,
            metric(run({with}).at(with.id), "attention.figure_iou").values);
  EXPECT_THROW(metric(together.at(without.id), "attention.figure_iou"), std::logic_error);
}

TEST_F(Familiarity, SwappedFastWeightsAreThoseThatTheOtherSetTaught) {
  auto s = settings();
  s.set("training.rest", std::string("nothing"));  // nothing but the fast weights differs then
  s.set("evaluation.metrics", std::vector<std::string>{"manifold", "attention.scope"});
  auto swapped = s;
  swapped.set("test.swapped", true);
  const RunSpec on_first{"first", swapped, 1, 0, 2}, on_second{"second", s, 1, 1, 2};
  const auto first = run({on_first, {"other", swapped, 2, 1, 2}}).at("first"), second = run({on_second}).at("second");
  for (const char* name : {"manifold.level", "attention.scope"}) {
    const auto &a = metric(first, name).values, &b = metric(second, name).values;
    const auto half = a.size() / 2;  // familiar, then novel
    EXPECT_TRUE(std::equal(a.begin(), a.begin() + half, b.begin() + half)) << name;
    EXPECT_TRUE(std::equal(a.begin() + half, a.end(), b.begin())) << name;
    EXPECT_NE(a, metric(run({{"first", s, 1, 0, 2}}).at("first"), name).values) << name;
  }
  EXPECT_EQ(metric(run({on_first}).at("first"), "manifold.level").values, metric(first, "manifold.level").values);
}

TEST_F(Familiarity, MeasuresWhatItDeclaresOnTheAxesItDeclares) {
  auto s = settings();
  s.set("attention.heads", true);
  const auto result = run({spec_of(s, 0, 0)}).begin()->second;
  const auto declared = familiarity_study().declare(s);
  ASSERT_EQ(declared.size(), familiarity_study().metrics.size());
  for (const auto& one : declared) {
    EXPECT_EQ(one.absent, "") << one.metric;
    EXPECT_EQ(metric(result, one.metric).axes, one.axes) << one.metric;
    std::size_t values = 1;
    for (const auto& axis : one.axes) values *= axis.labels.size();
    EXPECT_EQ(metric(result, one.metric).values.size(), values) << one.metric;
  }
}

TEST_F(Familiarity, OneReadOutHasTheNumbersItHasBesideTheOther) {
  auto of = [&](const char* readouts) {
    auto s = settings();
    if (*readouts) s.set("evaluation.readouts", std::vector<std::string>{readouts});
    if (*readouts) s.set("slow.readout", std::string(readouts));
    return run({spec_of(s, 0, 0)}).begin()->second;
  };
  const auto both = of("");
  for (const std::size_t place : {0, 1}) {
    const auto one = of(place == 0 ? "cls" : "mean");
    std::size_t read_out = 0;
    for (const auto& m : one.measurements) {
      const auto& beside = metric(both, m.metric).values;
      const bool split = beside.size() == 2 * m.values.size();
      read_out += split;
      ASSERT_TRUE(split || beside.size() == m.values.size()) << m.metric;
      for (std::size_t i = 0; i < m.values.size(); ++i)
        ASSERT_NEAR(m.values[i], beside[split ? 2 * i + place : i], 1e-6 * std::max(1.0f, std::abs(m.values[i]))) << m.metric << " " << i;
    }
    EXPECT_GT(read_out, 10u);
  }
}

// The last training loss under some settings.
double last_loss(const RunResult& result) { return metric(result, "loss").values.back(); }

TEST_F(Familiarity, EveryLearningRuleChangesTheUpdateAndHasTheSameBitsInAnyCompany) {
  std::set<double> losses;
  for (const std::string rule : {"adamw", "sgd", "hebbian", "bcm", "delta", "ridge"}) {
    auto s = settings();
    s.set("fast.rule", rule);
    s.set("fast.learning_rate", rule == "sgd" ? 1.0 : 1e-2);
    s.set("evaluation.metrics", std::vector<std::string>{"alignment.cosine"});
    auto other = s;
    other.set("fast.learning_rate", 1e-3);
    other.set("fast.rank", std::int64_t{3});
    const auto spec = spec_of(s, 1, 1);
    auto company = spec_of(other, 2, 0);
    const auto alone = run({spec}).begin()->second;
    const auto together = run({company, spec}).at(spec.id);
    EXPECT_EQ(metric(alone, "loss").values, metric(together, "loss").values) << rule;
    EXPECT_TRUE(losses.insert(last_loss(alone)).second) << rule << " learns what another rule does";
  }
}

TEST_F(Familiarity, WithoutUpdateAtTestTheNetworkIsThatOfTheFirstEpochWhereNothingElseTrains) {
  for (const auto& [key, value] : std::map<std::string, Value>{{"test.gain", 0.0}, {"test.layers_off", std::string("all")}}) {
    auto s = settings();
    s.set("training.rest", std::string("nothing"));
    s.set("training.learning_rate", 1e-2);
    const auto with = run({spec_of(s, 0, 0)}).begin()->second;
    s.set(key, value);
    const auto without = run({spec_of(s, 0, 0)}).begin()->second;
    const auto& cosine = metric(without, "alignment.cosine");
    const auto [sets, epochs, rest] = shape_of(cosine);
    for (std::size_t i = 0; i < rest; ++i) EXPECT_EQ(cosine.values[i], cosine.values[(epochs - 1) * rest + i]) << key;
    EXPECT_NE(cosine.values, metric(with, "alignment.cosine").values) << key;
    EXPECT_EQ(metric(with, "loss").values, metric(without, "loss").values) << "knocking out is for the test alone";
  }
}

TEST_F(Familiarity, ConsolidatedUpdatesKeepTheNetworkButNotTheFastWeights) {
  auto s = settings();
  s.set("training.rest", std::string("nothing"));
  s.set("training.learning_rate", 1e-2);
  s.set("evaluation.metrics", std::vector<std::string>{"alignment.cosine"});
  const auto plain = run({spec_of(s, 0, 0)}).begin()->second;
  s.set("fast.consolidate", std::int64_t{4});   // after the last epoch
  const auto kept = run({spec_of(s, 0, 0)}).begin()->second;
  const auto &a = metric(plain, "alignment.cosine").values, &b = metric(kept, "alignment.cosine").values;
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4);
  s.set("test.gain", 0.0);
  const auto without = metric(run({spec_of(s, 0, 0)}).begin()->second, "alignment.cosine").values;
  EXPECT_NEAR(without.back(), b.back(), 1e-6) << "the last epoch left nothing in the fast weights";
}

TEST_F(Familiarity, SecondImagesAreLearnedAfterTheFirst) {
  auto s = settings();
  s.set("training.second_epochs", std::int64_t{4});
  s.set("training.learning_rate", 1e-2);
  const auto result = run({spec_of(s, 0, 0)}).begin()->second;
  EXPECT_EQ(metric(result, "loss").values.size(), 8u);
  const auto& mse = metric(result, "reconstruction.mse");   // [set, epoch, noise]
  const auto [sets, epochs, rest] = shape_of(mse);
  std::size_t turn = 0;
  while (mse.axes[1].labels[turn] != "4") ++turn;
  const auto novel = [&](std::size_t epoch) { return mse.values[(epochs + epoch) * rest]; };
  EXPECT_LT(novel(epochs - 1), novel(turn)) << "the second images were not learned";
}

TEST_F(Familiarity, AnyLinearMapCanBeAdaptedByUpdatesOrGains) {
  std::set<double> losses;
  for (const std::string qkv : {"adapter", "gain"})
    for (const std::string target : {"query", "output", "mlp_in", "mlp_out", "patch"}) {
      auto s = settings();
      s.set("fast.qkv", qkv);
      s.set("fast.targets", std::vector<std::string>{target});
      s.set("training.rest", std::string("nothing"));
      s.set("training.learning_rate", 1e-2);
      s.set("evaluation.metrics", std::vector<std::string>{"loss"});
      EXPECT_TRUE(losses.insert(last_loss(run({spec_of(s, 0, 0)}).begin()->second)).second) << qkv << " of " << target;
    }
}

}  // namespace
}  // namespace palimpsest
