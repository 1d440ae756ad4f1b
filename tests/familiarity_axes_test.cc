// The axes that ablations of the familiarity study go along: what is minimised, in how many steps, by which decoder, what trains beside, what is read.

#include "sweeps/familiarity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "models/kept_adapters.h"
#include "runtime/error.h"
#include "sweeps/familiarity_axes.h"
#include "sweeps/kept_networks.h"
#include "sweeps/plan.h"
#include "sweeps/region.h"
#include "tests/small_familiarity.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::Throws;
using ::testing::ThrowsMessage;

using Keys = std::map<std::string, Value>;

class FamiliarityAxes : public Familiarity {
 protected:
  Settings with(const Keys& keys) const {
    auto out = settings();
    for (const auto& [key, value] : keys) out.set(key, value);
    return out;
  }
};

RunResult alone(const Settings& settings, std::int64_t seed = 1, std::int64_t image_set = 1) {
  const RunSpec spec{"alone", settings, seed, image_set, 4};
  return results_of(familiarity_study(), {spec}).at("alone");
}

void expect_same_bits(const RunResult& a, const RunResult& b, const std::string& what) {
  ASSERT_EQ(a.failure, "") << what;
  ASSERT_EQ(a.measurements.size(), b.measurements.size()) << what;
  for (const auto& m : a.measurements) EXPECT_EQ(m.values, metric(b, m.metric).values) << what << ": " << m.metric;
}

const std::vector<float>& losses(const RunResult& result) { return metric(result, "loss").values; }

// What is tried one by one: a name, the keys, and what the company has instead.
struct Ablation {
  const char* name;
  Keys keys, company;
};
std::vector<Ablation> ablations() {
  using Strings = std::vector<std::string>;
  return {{"two steps an epoch", {{"training.steps_per_epoch", std::int64_t{2}}}, {}},
          {"noise and two steps", {{"training.steps_per_epoch", std::int64_t{2}}, {"training.noise", 0.2}}, {{"training.noise", 0.0}}},
          {"normalised patches", {{"loss.normalise_target", true}}, {{"training.l1", 0.0}}},
          {"masked patches alone", {{"loss.pixels", 0.0}, {"loss.masked", 1.0}}, {{"loss.masked", 3.0}}},
          {"half of them", {{"loss.masked", 0.5}, {"loss.mask", 0.5}}, {{"loss.pixels", 0.1}}},
          {"features", {{"loss.features", 1.0}}, {{"loss.features", 0.01}}},
          {"features alone", {{"loss.pixels", 0.0}, {"loss.features", 1.0}, {"loss.feature_layers", std::string("1")}}, {}},
          {"a mix", {{"loss.masked", 0.5}, {"loss.features", 0.5}, {"loss.normalise_target", true}}, {{"loss.pixels", 4.0}}},
          {"a linear decoder", {{"decoder.kind", std::string("linear")}}, {{"fast.rank", std::int64_t{3}}}},
          {"bfloat16", {{"training.precision", std::string("bfloat16")}}, {{"fast.rank", std::int64_t{3}}}},
          {"everything", {{"training.rest", std::string("everything")}}, {{"fast.rank", std::int64_t{3}}}},
          {"read-outs", {{"evaluation.readouts", Strings{"cls", "figure", "ground", "mean_input", "ground_input"}}, {"slow.readout", std::string("figure")}},
           {{"training.learning_rate", 1e-4}}}};
}

TEST_F(FamiliarityAxes, AblationsHaveTheSameBitsAloneAndInMixedPacks) {
  std::set<std::vector<float>> all = {losses(alone(settings()))};
  for (const auto& [name, keys, others] : ablations()) {
    const auto one = with(keys);
    auto other = one;
    for (const auto& [key, value] : others) other.set(key, value);
    EXPECT_EQ(familiarity_study().signature(one), familiarity_study().signature(other)) << name;
    const auto pack = results_of(familiarity_study(), {{"a", other, 2, 0, 4}, {"alone", one, 1, 1, 4}, {"b", one, 3, 2, 4}});
    const auto by_itself = alone(one);
    expect_same_bits(by_itself, pack.at("alone"), name);
    if (keys.contains("evaluation.readouts")) continue;
    EXPECT_TRUE(all.insert(losses(by_itself)).second) << name << " learns as something else does";
  }
}

// Products of factors with 8 bits: a network of two blocks is off by less than a hundredth, and never by nothing.
TEST_F(FamiliarityAxes, PrecisionIsThatOfTrainingAndWhatIsMeasuredIsFloat32) {
  const auto plain = alone(settings()), coarse = alone(with({{"training.precision", std::string("bfloat16")}}));
  ASSERT_EQ(coarse.failure, "");
  for (std::size_t step = 0; step < losses(plain).size(); ++step) {
    EXPECT_NE(losses(coarse)[step], losses(plain)[step]) << step;
    EXPECT_NEAR(losses(coarse)[step] / losses(plain)[step], 1, 0.01) << step;
  }
  for (const auto& m : plain.measurements) {   // of the first epoch, before which nothing was learned
    const auto epoch = std::ranges::find(m.axes, "epoch", &Axis::name);
    if (m.metric != "alignment.specificity") continue;
    ASSERT_NE(epoch, m.axes.end());
    EXPECT_EQ(m.values.front(), metric(coarse, m.metric).values.front());
    EXPECT_NE(m.values, metric(coarse, m.metric).values);
  }
}

TEST_F(FamiliarityAxes, Tf32IsRefusedOnACpu) {
  const auto said = [&] { alone(with({{"training.precision", std::string("tf32")}})); };
  EXPECT_THAT(said, ThrowsMessage<InputError>(HasSubstr("training.precision = \"tf32\" is a number format of GPUs")));
  EXPECT_THAT([&] { familiarity_study().probe_memory({"alone", with({{"training.precision", std::string("tf32")}}), 0, 0, 4}); }, Throws<InputError>()) << "before the first run";
}

// A step that is recorded keeps what it works in, and two networks have two of them at once.
TEST(TheMemoryOfARun, CountsTheRecordedStepOfEachNetwork) {
  ProbedMemory seen{.base = 100'000'000, .built = 110'000'000, .trained = 150'000'000, .evaluated = 120'000'000};
  seen.recorded_steps = 1;
  EXPECT_EQ(memory_of_run(seen), 70'000'000u) << "a step beside the evaluation";
  seen.recorded_steps = 2;
  EXPECT_EQ(memory_of_run(seen), 110'000'000u) << "40 MB more, as the step of the first";
  seen.recorded_steps = 0, seen.evaluated = seen.trained;
  EXPECT_EQ(memory_of_run(seen), 50'000'000u) << "one after the other";
}

TEST_F(FamiliarityAxes, ARunIsTheSameRunAsBeforeThereWasAPrecision) {
  auto keys = familiarity_study().keys;
  std::erase_if(keys, [](const Key& key) { return key.name == "training.precision"; });
  auto before = default_settings(keys);
  const Settings now = settings();
  for (const auto& [key, value] : now.values())
    if (key != "training.precision") before.set(key, value);
  const auto id = [](const Settings& one) { return run_id(familiarity_study(), one, 1, 1, {}); };
  EXPECT_EQ(id(now), id(before));
  EXPECT_NE(id(with({{"training.precision", std::string("bfloat16")}})), id(before));
}

// Of each defect: what it is of changes, and nothing else does.
TEST_F(FamiliarityAxes, DefectsOfThePublishedCodeChangeWhatTheyAreOf) {
  const auto right = alone(settings());
  const auto differing = [&](const RunResult& result, const RunResult& from) {
    std::set<std::string> families;
    for (const auto& m : from.measurements)
      if (metric(result, m.metric).values != m.values) families.insert(m.metric.substr(0, m.metric.find('.')));
    return families;
  };
  const auto biased = alone(with({{"manifold.unbiased", false}}));
  EXPECT_EQ(differing(biased, right), std::set<std::string>{"manifold"});
  const auto &own = metric(biased, "manifold.residual").values, &of_others = metric(right, "manifold.residual").values;
  for (std::size_t i = 0; i < own.size(); ++i) EXPECT_NEAR(own[i], of_others[i] / std::sqrt(2.0), 1e-5) << i;   // two patterns

  EXPECT_EQ(differing(alone(with({{"probe.shared_start", false}})), right), std::set<std::string>{"probe"});
  EXPECT_EQ(differing(alone(with({{"alignment.centre", std::string("set")}})), right), std::set<std::string>{"alignment"});

  const std::string qkv = "fast.qkv", full = "full", decoder = "decoder.shared_start";
  EXPECT_NE(losses(alone(with({{decoder, false}}))).front(), losses(right).front());
  EXPECT_EQ(differing(alone(with({{decoder, false}, {qkv, full}})), alone(with({{qkv, full}}))), std::set<std::string>{});
}

TEST_F(FamiliarityAxes, TrainingNoiseIsOfTheTestsKindUnlessItHasItsOwn) {
  const auto noisy = with({{"training.noise", 0.3}});
  const auto named = with({{"training.noise", 0.3}, {"training.noise_kind", std::string("salt-and-pepper")}});
  const auto other = with({{"training.noise", 0.3}, {"training.noise_kind", std::string("gaussian")}});
  EXPECT_EQ(losses(alone(named)), losses(alone(noisy)));
  EXPECT_NE(losses(alone(other)), losses(alone(noisy)));
  const auto result = alone(other);
  for (const auto& m : alone(noisy).measurements) {   // what is tested before the first step is the same
    if (m.metric != "reconstruction.mse") continue;
    for (std::size_t level = 0; level < 2; ++level) EXPECT_EQ(metric(result, m.metric).values[level], m.values[level]);
  }
}

TEST_F(FamiliarityAxes, RankStabilisedUpdatesAreScaledByTheRootOfTheRank) {
  const auto scale = [&](const Keys& keys) { return parse_familiarity(with(keys)).scale; };
  const std::pair<const std::string, Value> rank{"fast.rank", std::int64_t{4}}, stabilised{"fast.rank_stabilised", true}, alpha{"fast.alpha", 6.0};
  EXPECT_DOUBLE_EQ(scale({rank}), 4);
  EXPECT_DOUBLE_EQ(scale({rank, stabilised}), 8);
  EXPECT_DOUBLE_EQ(scale({rank, alpha}), 1.5);
  EXPECT_DOUBLE_EQ(scale({rank, alpha, stabilised}), 3);
}

TEST_F(FamiliarityAxes, PlacesThatAreNoNumbersAreDeclaredWithTheirReason) {
  const auto all = with({{"evaluation.readouts", std::vector<std::string>{"cls", "mean", "cls_input", "mean_input"}}});
  const auto result = alone(all);
  std::size_t holes = 0;
  for (const auto& declared : familiarity_study().declare(all)) {
    if (!declared.absent.empty()) continue;
    const auto& measured = metric(result, declared.metric);
    std::set<std::size_t> without;
    for (const auto& hole : declared.holes)
      for (const auto place : offsets_in(measured.axes, region_of(measured.axes, hole.at, declared.metric))) without.insert(place);
    for (std::size_t i = 0; i < measured.values.size(); ++i)
      ASSERT_EQ(std::isfinite(measured.values[i]), !without.contains(i)) << declared.metric << " " << i;
    holes += declared.holes.size();
  }
  EXPECT_EQ(holes, 5u);
}

TEST_F(FamiliarityAxes, OneImageIsLearnedAndWhatNeedsOthersIsDeclaredToBeNone) {
  const auto one = with({{"images.count", std::int64_t{1}}});
  const auto result = alone(one);
  ASSERT_EQ(result.failure, "");
  std::set<std::string> without;
  for (const auto& declared : familiarity_study().declare(one)) {
    if (!declared.absent.empty()) continue;
    const auto& values = metric(result, declared.metric).values;
    const bool none = std::ranges::all_of(values, [](float v) { return std::isnan(v); });
    EXPECT_TRUE(none || std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) << declared.metric;
    EXPECT_EQ(none, !declared.holes.empty()) << declared.metric;
    if (none) without.insert(declared.metric);
  }
  EXPECT_EQ(without.size(), 8u);   // six of the manifold, alignment.other and .specificity
  EXPECT_THROW(parse_familiarity(with({{"images.count", std::int64_t{1}}, {"sparseness.leave_out", std::int64_t{3}}})), InputError);
}

TEST_F(FamiliarityAxes, RunsWhoseLossesHaveOtherTermsAreNotComputedTogether) {
  const auto signature = [&](const Keys& keys) { return familiarity_study().signature(with(keys)); };
  EXPECT_EQ(signature({{"loss.pixels", 2.0}}), signature({}));
  EXPECT_NE(signature({{"loss.masked", 1.0}}), signature({}));
  EXPECT_NE(signature({{"loss.masked", 1.0}}), signature({{"loss.masked", 1.0}, {"loss.mask", 0.5}}));
  EXPECT_NE(signature({{"loss.masked", 1.0}}), signature({{"loss.features", 1.0}}));
  EXPECT_NE(signature({{"training.steps_per_epoch", std::int64_t{2}}}), signature({}));
}

// At rate 0 nothing is learned between the steps.
TEST_F(FamiliarityAxes, StepsOfAnEpochSeeEveryImageOnce) {
  const Keys still = {{"training.learning_rate", 0.0}, {"decoder.dropout", 0.0}, {"images.count", std::int64_t{4}}, {"evaluation.metrics", std::vector<std::string>{"loss"}}};
  const auto whole = losses(alone(with(still)));
  auto divided = still;
  divided["training.steps_per_epoch"] = std::int64_t{4};
  const auto single = losses(alone(with(divided)));
  ASSERT_EQ(single.size(), 4 * whole.size());
  std::set<std::vector<float>> orders;
  for (std::size_t epoch = 0; epoch < whole.size(); ++epoch) {
    const std::vector<float> images(single.begin() + 4 * epoch, single.begin() + 4 * epoch + 4);
    EXPECT_NEAR((images[0] + images[1] + images[2] + images[3]) / 4, whole[epoch], 1e-6);
    EXPECT_EQ(std::set<float>(images.begin(), images.end()).size(), 4u);
    orders.insert(images);
  }
  EXPECT_GT(orders.size(), 1u) << "every epoch has the same order";
}

TEST_F(FamiliarityAxes, EveryTermOfTheLossFallsWhereItIsLearned) {
  for (const std::string term : {"loss.pixels", "loss.masked", "loss.features"})
    for (const bool normalised : {false, true}) {
      Keys keys = {{"loss.pixels", 0.0}, {"loss.normalise_target", normalised}, {"training.epochs", std::int64_t{20}}, {"decoder.dropout", 0.0},
                   {"evaluation.epochs", std::vector<std::int64_t>{0}}, {"evaluation.metrics", std::vector<std::string>{"loss"}}};
      keys[term] = 1.0;
      const auto course = losses(alone(with(keys)));
      EXPECT_LT(course.back(), 0.9f * course.front()) << term << (normalised ? " of normalised patches" : "");
    }
}

// Adapters that do not learn add nothing: what is under them has the gradient that it has without them.
TEST_F(FamiliarityAxes, EverythingUnderAdaptersThatDoNotLearnTrainsAsInFullTraining) {
  const auto under = alone(with({{"training.rest", std::string("everything")}, {"fast.learning_rate", 0.0}}));
  const auto full = alone(with({{"fast.qkv", std::string("full")}}));
  expect_same_bits(under, full, "everything");
  const auto all = alone(settings());
  EXPECT_NE(losses(under), losses(all));
  EXPECT_NE(losses(alone(with({{"training.rest", std::string("everything")}}))), losses(under)) << "the adapters did not learn";
}

TEST_F(FamiliarityAxes, InputOfABlockIsWhatTheOneBeforeGives) {
  const std::vector<std::string> names = {"cls", "mean", "figure", "ground", "cls_input", "mean_input", "figure_input", "ground_input"};
  EXPECT_EQ(read_out_names(), names);
  const auto norm = metric(alone(with({{"evaluation.readouts", names}})), "activity.norm");   // [images, epoch, layer, read-out]
  const auto Q = names.size(), L = norm.axes[2].labels.size();
  EXPECT_EQ(norm.axes[3].labels, names);
  for (std::size_t at = 0; at < norm.values.size() / (L * Q); ++at)
    for (std::size_t layer = 1; layer < L; ++layer)
      for (std::size_t q = 0; q < 4; ++q) EXPECT_EQ(norm.values[(at * L + layer) * Q + 4 + q], norm.values[(at * L + layer - 1) * Q + q]) << names[q];
  std::set<float> different(norm.values.begin(), norm.values.begin() + static_cast<std::ptrdiff_t>(Q));
  EXPECT_EQ(different.size(), Q);
}

TEST_F(FamiliarityAxes, ReadOutsHaveTheNumbersTheyHaveBesideOthers) {
  const auto measured = [&](const std::vector<std::string>& names) { return alone(with({{"evaluation.readouts", names}, {"slow.readout", names.front()}})); };
  const auto together = measured({"cls", "figure", "ground", "mean_input"});
  std::size_t place = 0;
  for (const std::string name : {"cls", "figure", "ground", "mean_input"}) {
    const auto one = measured({name});
    for (const char* of : {"alignment.centred", "alignment.cka", "manifold.level", "attention.scope"}) {
      const auto &a = metric(one, of).values, &b = metric(together, of).values;
      ASSERT_EQ(4 * a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[4 * i + place], 1e-6 * std::max(1.0f, std::abs(a[i]))) << name << " " << of;
    }
    ++place;
  }
}

TEST_F(FamiliarityAxes, LinearDecoderIsOneMapAndComesBackFromItsFile) {
  const auto s = with({{"decoder.kind", std::string("linear")}, {"keep", std::string("trained")}});
  keep_networks_in(folder_.path());
  alone(s);
  keep_networks_in({});
  const auto file = kept_file(folder_.path(), Kept::kTrained, "alone");
  const auto kept = read_adapted_weights(file);
  ASSERT_EQ(kept.slow.decoder.size(), 2u);
  EXPECT_TRUE(kept.slow.decoder_config->linear);
  const Decoder decoder(*kept.slow.decoder_config, kept.slow.decoder);
  const auto tokens = at::arange(16 * 32, at::kFloat).view({1, 1, 16, 32}).sin();
  auto changed = tokens.clone();
  changed[0][0][3].add_(1.0);
  const auto differs = decoder.forward(tokens).ne(decoder.forward(changed)).any(-1).flatten();
  EXPECT_EQ(differs.sum().item<std::int64_t>(), 1);
  EXPECT_TRUE(differs[3].item<bool>());
}

TEST_F(FamiliarityAxes, KeptAdaptersAreThoseOfTheTrainedNetworkAndWithTheSlowWeightsItsEncoderWhereNoMoreLearned) {
  for (const std::string rest : {"decoder", "all"}) {
    auto s = with({{"training.rest", rest}, {"fast.rank", std::int64_t{3}}, {"fast.alpha", 0.7}});
    keep_networks_in(folder_.path());
    for (const std::string keep : {"trained", "adapters"}) {
      s.set("keep", keep);
      alone(s);
    }
    keep_networks_in({});
    const auto trained = read_adapted_weights(kept_file(folder_.path(), Kept::kTrained, "alone"));
    const auto file = kept_file(folder_.path(), Kept::kAdapters, "alone");
    const auto alone = read_adapters(file);
    ASSERT_EQ(alone.adapters.size(), 6u);
    for (const auto& [map, fast] : trained.adapters) {
      EXPECT_TRUE(at::equal(alone.adapters.at(map).a, fast.a) && at::equal(alone.adapters.at(map).b, fast.b)) << map;
      EXPECT_EQ(alone.adapters.at(map).scale, fast.scale) << map;
    }
    EXPECT_EQ(are_whole_encoder(file), rest == "decoder");
    if (rest == "all") {
      EXPECT_THROW(read_adapted_weights(file), InputError);
      continue;
    }
    const auto whole = read_adapted_weights(file);
    ASSERT_EQ(whole.slow.encoder.size(), trained.slow.encoder.size());
    for (const auto& [name, parameter] : trained.slow.encoder) EXPECT_TRUE(at::equal(parameter.value, whole.slow.encoder.at(name).value)) << name;
    EXPECT_EQ(whole.slow.config.activation, trained.slow.config.activation);
    write_small_slow_weights(folder_ / "others.safetensors", 6);
    std::filesystem::rename(folder_ / "others.safetensors", weights());
    EXPECT_THROW(read_adapted_weights(file), InputError) << "other slow weights were taken for those that it lies over";
    write_small_slow_weights(weights());
  }
}

TEST_F(FamiliarityAxes, RunsWithoutAdaptersKeepNone) {
  keep_networks_in(folder_.path());
  alone(with({{"fast.qkv", std::string("full")}, {"keep", std::string("adapters")}}));
  keep_networks_in({});
  EXPECT_FALSE(std::filesystem::exists(kept_file(folder_.path(), Kept::kAdapters, "alone")));
}

}  // namespace
}  // namespace palimpsest
