// Steps of pretraining that are recorded once and done again: by a twin of what GPUs have for it.

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "models/pretrain_options.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "tests/pretraining_shapes.h"
#include "tests/recorder_twins.h"
#include "tests/small_pretraining.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;
using Keys = std::map<std::string, Value>;

const std::map<std::string, Keys> kRecorded = {
    {"masked", {}},
    {"normalised", {{"objective.normalise_target", true}}},
    {"every patch", {{"objective.name", std::string("autoencoder")}}},
    {"pairs", {{"objective.name", std::string("contrastive")}}},
    {"accumulated", {{"training.accumulate", std::int64_t{3}}}},
    {"clipped", {{"training.clip", 0.01}}},
    {"accumulated, clipped and computed again", {{"training.accumulate", std::int64_t{2}}, {"training.clip", 0.05}, {"training.recompute", true}}},
    {"bfloat16", {{"training.precision", std::string("bfloat16")}, {"sharding.strategy", std::string("optimizer")}}}};

Settings definition(const Keys& keys) {
  auto settings = small_pretraining();
  settings.set("training.dropout", 0.1);
  settings.set("training.steps", std::int64_t{9});
  settings.set("validation.every", std::int64_t{4});
  for (const auto& [key, value] : keys) settings.set(key, value);
  return settings;
}

void train(const Settings& settings, const std::filesystem::path& out, MakeStepRecorder recorder = {}, std::function<bool()> should_stop = {}) {
  const auto alone = single_process();
  pretrain(settings, *alone, {.out = out, .should_stop = std::move(should_stop), .threads = 1, .recorder = std::move(recorder)});
}

MakeStepRecorder twins(int& replays) {
  return [&replays] { return std::make_unique<Twin>(replays); };
}

void expect_equal(const std::filesystem::path& one, const std::filesystem::path& other, const std::string& name) {
  for (const char* file : {"weights.safetensors", "losses.csv"}) EXPECT_TRUE(read_file(one / file) == read_file(other / file)) << name << ": " << file;
}

// A recorded step reads what is new from the same tensors: were a learning rate, a factor of clipping, a mask or a crop of its first time in it, the twin
// would go on with that.
TEST(RecordedPretraining, HasTheBitsOfOneThatIsNot) {
  const TemporaryFolder folder("recorded");
  for (const auto& [name, keys] : kRecorded) {
    const auto settings = definition(keys);
    train(settings, folder / (name + " plain"));
    int replays = 0;
    train(settings, folder / name, twins(replays));
    EXPECT_EQ(replays, 2 * (9 - 2)) << name << ": of the backward and of the update";
    expect_equal(folder / name, folder / (name + " plain"), name);
  }
}

TEST(RecordedPretraining, ThatCannotBeRecordedHasTheSameBits) {
  struct Unable : Twin {
    using Twin::Twin;
    void record(const std::function<void()>&) override { throw std::runtime_error("operation not permitted when stream is capturing"); }
  };
  const TemporaryFolder folder("unable");
  const auto settings = definition({{"training.accumulate", std::int64_t{2}}, {"training.clip", 0.05}});
  train(settings, folder / "plain");
  int replays = 0;
  train(settings, folder / "unable", [&replays] { return std::make_unique<Unable>(replays); });
  EXPECT_EQ(replays, 0);
  expect_equal(folder / "unable", folder / "plain", "unable");
}

TEST(RecordedPretraining, GoesOnFromACheckpointToTheSameBits) {
  const TemporaryFolder folder("recorded-resume");
  const auto settings = definition({{"training.accumulate", std::int64_t{2}}, {"training.clip", 0.05}});
  train(settings, folder / "plain");
  int replays = 0, polls = 0;
  EXPECT_THROW(train(settings, folder / "recorded", twins(replays), [&] { return ++polls == 5; }), Interrupted);
  EXPECT_EQ(replays, (5 - 2) + (4 - 2)) << "five gradients, four updates: what is saved is from before the fifth";
  train(settings, folder / "recorded", twins(replays));
  EXPECT_EQ(replays, (5 - 2) + (4 - 2) + 2 * (5 - 2)) << "its tensors are others, so it is recorded anew";
  expect_equal(folder / "recorded", folder / "plain", "resumed");
}

TEST(RecordedPretraining, NamesWhatIsNotFiniteAsOneThatIsNotRecordedDoes) {
  const TemporaryFolder folder("recorded-diverged");
  const auto settings = definition({{"objective.normalise_target", true}, {"training.learning_rate", 50.0}, {"training.weight_decay", 0.0}, {"training.warmup_steps", std::int64_t{60}}, {"training.steps", std::int64_t{60}}});
  const auto said = [&](const std::filesystem::path& out, MakeStepRecorder recorder) -> std::string {
    try {
      train(settings, out, std::move(recorder));
    } catch (const Error& error) {
      return error.what();
    }
    return "it went through";
  };
  int replays = 0;
  const auto plain = said(folder / "plain", {});
  EXPECT_THAT(plain, HasSubstr("is no number"));
  EXPECT_EQ(said(folder / "recorded", twins(replays)), plain);
  EXPECT_GT(replays, 1) << plain << ": before anything was recorded";
}

TEST(RecordedPretraining, SaysWhatKeepsAStepFromBeingRecordedAndWhatToChange) {
  const auto settings = definition({});
  EXPECT_EQ(why_not_recorded(settings, 1), "");
  EXPECT_THAT(why_not_recorded(settings, 4), HasSubstr("4 ranks exchange gradients within each step. Start one rank"));
  const TemporaryFolder folder("not-recorded");
  const auto sharded = definition({{"sharding.strategy", std::string("full")}, {"training.steps", std::int64_t{4}}});
  EXPECT_THAT(why_not_recorded(sharded, 1), HasSubstr("sharding.strategy = \"full\" lets go of weights within each step"));
  int replays = 0;
  train(sharded, folder / "run", twins(replays));
  EXPECT_EQ(replays, 0);
}

TEST(RecordedPretraining, ARecordedStepTouchesNothingOfTheHost) {
  const auto world = single_process();
  CommunicationThread thread(*world, nullptr);
  for (const auto& [name, keys] : kRecorded) {
    const auto settings = definition(keys);
    Replicas replicas(find_objective(settings.string("objective.name")), settings, RandomStream(3), *world, /*threads=*/1);
    make_shapes_alone(replicas.first().weights());
    int replays = 0;
    auto options = sharding_options(settings, *world, {.out = {}, .should_stop = {}, .device = at::kMeta});
    options.recorder = [&replays] { return std::make_unique<Watching>(replays); };
    ShardedTraining training(replicas, *world, thread, options);
    for (int step = 0; step < 4; ++step) {
      training.backward(made_up_batch(at::kMeta));
      training.update(0.5, 1e-3);
    }
    EXPECT_EQ(replays, 2 * 2) << name;
    EXPECT_THAT(host_work, testing::IsEmpty()) << name;
    host_work.clear();
  }
}

}  // namespace
}  // namespace palimpsest
