#include "sweeps/circuit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <ATen/ATen.h>

#include "sweeps/circuit_dictionary.h"
#include "sweeps/circuit_linear.h"
#include "sweeps/circuit_metrics.h"
#include "sweeps/claim_check.h"
#include "tests/small_studies.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

RunSpec spec_of(const Settings& settings, std::int64_t seed, std::int64_t image_set) {
  return {
      "seed " + std::to_string(seed) + " set " + std::to_string(image_set) + " " + text(settings.at("training.gain")),
      settings, seed, image_set, 4};
}

std::map<RunId, RunResult> run(const std::vector<RunSpec>& pack) { return results_of(kCircuitStudy, pack); }

RunResult run_alone(const Settings& settings) { return run({spec_of(settings, 1, 0)}).begin()->second; }

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
    auto s = small_circuit();
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

TEST(Circuit, MeasuresWhatItDeclaresOnTheAxesItDeclares) {
  auto s = small_circuit();
  s.set("analysis.modes", std::int64_t{3});
  const auto result = run_alone(s);
  EXPECT_EQ(result.failure, "");
  const auto declared = kCircuitStudy.declare(s);
  ASSERT_EQ(declared.size(), kCircuitStudy.metrics.size());
  for (const auto& one : declared) {
    const auto& m = metric(result, one.metric);
    EXPECT_EQ(one.absent, "") << one.metric;
    EXPECT_EQ(m.axes, one.axes) << one.metric;
    std::size_t size = 1;
    for (const auto& axis : one.axes) size *= axis.labels.size();
    EXPECT_EQ(m.values.size(), size) << one.metric;
  }
  EXPECT_THAT(metric(result, "manifold.relative").axes[2].labels, ::testing::ElementsAre("0.3", "0.5"));
  EXPECT_THAT(metric(result, "tuning.curve").axes[1].labels, ::testing::ElementsAre("1", "2"));
}

TEST(Circuit, ClaimsAtEpochsThatAreNotMeasuredAreRefusedBeforeTheFirstRun) {
  add_network_studies();
  const auto check = [&](const std::string& claim) {
    const auto text = "study = \"circuit\"\nname = \"x\"\nimages = { source = \"dead-leaves\", count = 2 }\ntraining = { epochs = 3 }\n" +
                      ("[[claim]]\nname = \"c\"\n" + claim) + "direction = \"less\"\n";
    return check_claims(Plan(read_definition_text(text, "sweep.toml"))).mistakes;
  };
  EXPECT_THAT(check("metric = \"activity.mean\"\nchange = { epoch = [0, 5] }\n"),
              ::testing::ElementsAre(HasSubstr("has no place \"5\"")));
  EXPECT_THAT(check("metric = \"tuning.curve\"\nat = { epoch = 0 }\n"), ::testing::ElementsAre(HasSubstr("has no place \"0\"")));
  EXPECT_THAT(check("metric = \"activity.mean\"\nchange = { epoch = [0, 3] }\n"), ::testing::IsEmpty());
}

TEST(Circuit, DoesNotChangeWithoutLearning) {
  auto s = small_circuit();
  s.set("plasticity.rule", std::string("frozen"));
  for (const auto& m : run_alone(s).measurements) {
    if (m.axes.size() < 2 || m.axes[1].name != "epoch" || m.axes[1].labels.size() != 3) continue;
    const std::size_t rest = m.values.size() / 2 / 3;
    for (std::size_t i = 0; i < m.values.size(); ++i) {
      const std::size_t first = i / (3 * rest) * 3 * rest + i % rest;
      EXPECT_TRUE(m.values[i] == m.values[first] || std::isnan(m.values[i])) << m.metric;
    }
  }
  const auto learned = run_alone(small_circuit());
  const auto& relative = metric(learned, "manifold.relative").values;
  EXPECT_NE(relative[0], relative[4]);
}

TEST(Circuit, ThatRunsAwayFailsAloneWithItsReason) {
  auto wild = small_circuit();
  wild.set("circuit.lesion", std::string("inhibition"));
  wild.set("circuit.lesion_in", std::string("both"));
  wild.set("circuit.row_sum", 500.0);
  wild.set("circuit.bound", 1e6);
  wild.set("training.gain", 31.0);
  const auto away = spec_of(wild, 0, 0), steady = spec_of(small_circuit(), 0, 0);
  const auto together = run({away, steady});
  EXPECT_THAT(together.at(away.id).failure, HasSubstr("stability.ceiling"));
  EXPECT_TRUE(together.at(away.id).measurements.empty());
  expect_equal_bits(together.at(steady.id), run({steady}).at(steady.id));
}

TEST(Circuit, ARateThatIsNoNumberIsSeenInTestsAndInTrainingAndStaysInTheWeights) {
  Circuit circuit({.rows = 2, .columns = 2, .features = 3});
  std::vector<float> drives(20 * 12, 0.1f);
  drives[4 * 12 + 5] = std::nanf("");  // one neuron, in one stimulus of twenty
  EXPECT_TRUE(std::isnan(circuit.respond(drives, 20, 5).largest));
  const std::span<const float> spoilt(drives.data() + 4 * 12, 12);
  EXPECT_TRUE(std::isnan(circuit.present({spoilt, 4}, {}, 1)));
  circuit.begin();
  EXPECT_TRUE(std::isnan(circuit.weights_onto(5).front()));
}

TEST(Circuit, LearnsWithoutInhibitionAndIsTestedWithIt) {
  auto s = small_circuit();
  s.set("circuit.lesion", std::string("inhibition"));
  EXPECT_THAT(run_alone(s).failure, HasSubstr("in training, in epoch 1"));
  s.set("training.saturation", 1000.0);
  const auto learned = run_alone(s), whole = run_alone(small_circuit());
  ASSERT_EQ(learned.failure, "");
  const auto &ours = metric(learned, "activity.mean").values, &theirs = metric(whole, "activity.mean").values;
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ours[i], theirs[i]) << "before training, noise " << i;
  EXPECT_NE(ours, theirs);
  s.set("circuit.lesion_in", std::string("tests"));
  EXPECT_THAT(run_alone(s).failure, HasSubstr("in a test"));
}

TEST(Circuit, ABoundThatTheWholeCircuitDoesNotReachChangesNothing) {
  auto s = small_circuit();
  s.set("training.saturation", 1000.0);
  expect_equal_bits(run_alone(s), run_alone(small_circuit()));
}

TEST(Circuit, RefusesWhatCannotBe) {
  const auto refused = [](const char* key, Value value, const char* word) {
    auto s = small_circuit();
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
  refused("circuit.row_sum", 50.0, "Lower circuit.row_sum to that, or raise circuit.bound to 138.9");
}

TEST(CircuitInput, NoisyPixelsAreTheSameForAllImagesAndThoseOfALevelAmongThoseOfTheNext) {
  const CircuitInputConfig config{.side = 20};
  const GreyImage dark(400, 0.25), light(400, 0.75);
  const auto of_dark = noisy(dark, config, 1, RandomStream(3)), of_light = noisy(light, config, 1, RandomStream(3));
  std::size_t changed_before = 0;
  for (std::size_t at = 0; at < 3; ++at) {
    const double level = config.levels[at + 1];
    const auto &a = of_dark[at], &b = of_light[at];
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

TEST(CircuitInput, EveryKindOfNoiseThatThereIsSpoilsGreyImagesTooAndMoreAtHigherLevels) {
  CircuitInputConfig config{.side = 32};
  const auto image = grey_image(dead_leaves(3, 2, 32)->image(1), config);
  for (const auto* kind : noise_kinds()) {
    config.noise = kind;
    double before = 0;
    for (const auto& spoilt : noisy(image, config, 2, RandomStream(5))) {
      double off = 0;
      for (std::size_t i = 0; i < image.size(); ++i) {
        off += std::pow(spoilt[i] - image[i], 2);
        EXPECT_TRUE(spoilt[i] >= 0 && spoilt[i] <= 1) << kind->name;
      }
      EXPECT_GT(off, before) << kind->name;
      before = off;
    }
  }
  auto s = small_circuit();
  s.set("noise.kind", std::string("gaussian"));
  EXPECT_EQ(run_alone(s).failure, "");
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

TEST(CircuitInput, LearnedFiltersTellMoreOfOtherImagesThanRandomOnes) {
  const CircuitInputConfig config{.side = 32, .orientations = 4, .frequencies = {1, 2}};
  const auto leaves = dead_leaves(9, 24, 32);
  std::vector<GreyImage> learned, other;
  for (std::int64_t i = 0; i < 24; ++i) (i < 16 ? learned : other).push_back(grey_image(leaves->image(i), config));
  const auto bank = learned_bank(learned, config, RandomStream(3));
  ASSERT_EQ(bank.size(), 16u);
  const auto matrix = [](const std::vector<std::vector<double>>& filters) {
    std::vector<at::Tensor> rows;
    for (const auto& filter : filters) rows.push_back(at::tensor(filter, at::kDouble));
    return at::stack(rows);
  };
  std::vector<std::vector<double>> patches;
  for (const auto& image : other)
    for (int place = 0; place + 9 <= 32; place += 4) {
      std::vector<double> patch;
      for (int y = 0; y < 9; ++y)
        for (int x = 0; x < 9; ++x) patch.push_back(image[static_cast<std::size_t>((place + y) * 32 + place + x)]);
      patches.push_back(patch);
    }
  auto x = matrix(patches);
  x = x - x.mean(1, true);
  // Share of the patches' variance that lies in the span of the filters.
  const auto explained = [&](const at::Tensor& filters) {
    const auto basis = std::get<0>(at::linalg_qr(filters.t()));
    return (at::matmul(x, basis).square().sum() / x.square().sum()).item<double>();
  };
  const auto ours = matrix(bank);
  EXPECT_NEAR(ours.sum(1).abs().max().item<double>(), 0, 1e-9);
  EXPECT_NEAR((ours.square().sum(1) - 1).abs().max().item<double>(), 0, 1e-9);
  auto random = at::empty({16, 81});
  RandomStream(4).fill_normal(random.data_ptr<float>(), random.numel());
  EXPECT_GT(explained(ours), explained(random.to(at::kDouble)) + 0.2);
  EXPECT_EQ(bank, learned_bank(learned, config, RandomStream(3)));
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
  const auto got = circuit_geometry(two_images(), {0, 0.1}, /*unbiased=*/false);
  EXPECT_NEAR(got.at("manifold.relative").item<double>(), 1, 1e-12);  // 1 over sqrt(1)
  EXPECT_NEAR(got.at("manifold.effective").item<double>(), 1 / std::sqrt(5.0), 1e-12);
  EXPECT_NEAR(got.at("manifold.alignment").item<double>(), 1 / std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(got.at("manifold.similarity").item<double>(), 1 / std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(got.at("manifold.increment").item<double>(), 0.5, 1e-12);  // one tenth of noise, images 2 apart
  EXPECT_NEAR(got.at("manifold.level").item<double>(), 0.5, 1e-12);
  EXPECT_NEAR(got.at("manifold.to_clean").item<double>(), 0.5, 1e-12);
}

TEST(Circuit, ManifoldIsTheSameOnAllPrincipalComponentsAndAnotherOnFew) {
  auto all = small_circuit(), few = small_circuit();
  all.set("analysis.components", std::int64_t{1000});
  few.set("analysis.components", std::int64_t{2});
  const auto plain = run_alone(small_circuit()), on_all = run_alone(all), on_few = run_alone(few);
  for (const char* name : {"manifold.relative", "manifold.alignment", "manifold.increment", "manifold.level"}) {
    const auto &a = metric(plain, name).values, &b = metric(on_all, name).values;
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5) << name;
    EXPECT_NE(a, metric(on_few, name).values) << name;
  }
  EXPECT_EQ(metric(plain, "activity.mean").values, metric(on_few, "activity.mean").values);
}

TEST(CircuitModes, OfNeuronsThatDoNotMeetDecayWithTheirOwnTimeConstants) {
  const Circuit circuit({.rows = 2, .columns = 2, .features = 3, .in_tests = {.excitation = false, .inhibition = false}});
  const auto modes = slowest_modes(circuit, at::full({12}, 0.5, at::kDouble), 24);
  for (int i = 0; i < 24; ++i) EXPECT_NEAR(modes.time_scales[i].item<double>(), i < 12 ? 20 : 10, 1e-6) << i;
}

TEST(CircuitModes, OfOneExcitatoryAndOneInhibitoryNeuronAreThoseOfATwoByTwoMatrix) {
  const Circuit circuit({.rows = 1, .columns = 1, .features = 1, .excitatory_radius = 0, .bound = 0.4});
  const double w = circuit.weights_onto(0).at(0), v = 30.0 / 9, r = 0.01;  // r_i = (v r)^2, slopes 2 sqrt(r)
  const double a = (2 * std::sqrt(r) * w - 1) / 20, b = -2 * std::sqrt(r) / 20, c = 2 * v * r * v / 10, d = -0.1;
  const double half = (a + d) / 2, root = std::sqrt(half * half - (a * d - b * c));
  const auto modes = slowest_modes(circuit, at::full({1}, r, at::kDouble), 2);
  EXPECT_NEAR(modes.time_scales[0].item<double>(), -1 / (half + root), 1e-9);
  EXPECT_NEAR(modes.time_scales[1].item<double>(), -1 / (half - root), 1e-9);
  // The slower mode reads (l_e, l_i) with (l_e, l_i) J = lambda (l_e, l_i): l_e b + l_i d = lambda l_i.
  const double lambda = half + root, l_i = b / (lambda - d), length = std::sqrt(1 + l_i * l_i), x = 0.3;
  const auto seen = seen_by(modes, circuit, at::full({1}, x, at::kDouble));
  EXPECT_NEAR(std::abs(seen[0].item<double>()), std::abs((x + l_i * v * v * x * x) / length), 1e-9);
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
