#include "runtime/device.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "models/slow_weights.h"
#include "runtime/adamw.h"
#include "runtime/device_elements.h"
#include "runtime/error.h"
#include "runtime/kernels.h"
#include "runtime/random_stream.h"
#include "runtime/run_axis.h"
#include "sweeps/familiarity.h"
#include "sweeps/familiarity_evoked.h"
#include "sweeps/familiarity_training.h"
#include "tests/recorder_twins.h"
#include "tests/shapes_alone.h"
#include "tests/small_studies.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Device, IsTheCpuUnlessAGpuIsThere) {
  use_device("cpu", 0);
  EXPECT_TRUE(compute_device().is_cpu());
  std::string why_none;
  const int gpus = gpu_count(why_none);
  EXPECT_EQ(gpus == 0, !why_none.empty());
  use_device("auto", 1);
  EXPECT_EQ(compute_device().is_cpu(), gpus == 0);
  use_device("cpu", 0);
}

TEST(Device, ThatIsNotThereIsRefusedWithTheReason) {
  EXPECT_THAT([] { use_device("gpu", 0); }, ThrowsMessage<InputError>(HasSubstr("--device gpu: write auto, cpu, cuda, or cuda:N")));
  EXPECT_THAT([] { use_device("cuda:x", 0); }, ThrowsMessage<InputError>(HasSubstr("write auto")));
  std::string why_none;
  const auto asked = gpu_count(why_none) == 0 ? std::string("there is no GPU to compute on: " + why_none) : std::string("numbered from 0");
  EXPECT_THAT([] { use_device("cuda:99", 0); }, ThrowsMessage<InputError>(HasSubstr(asked)));
  EXPECT_TRUE(compute_device().is_cpu());
}

// What a GPU's kernels do to an element, on the host.
TEST(DeviceElements, AreThoseOfTheHostsVectors) {
  constexpr std::int64_t n = 1003;
  std::vector<float> vectors(n), elements(n), eight(8);
  const RandomStream stream(7);
  kernels().dropout(stream.key(), 20000, 1.5f, vectors.data(), n);
  for (std::int64_t i = 0; i < n; i += 8) {
    float out[8];
    dropout_elements(stream.key(), static_cast<std::uint64_t>(i / 8), 20000, 1.5f, out);
    std::copy(out, out + std::min<std::int64_t>(8, n - i), elements.begin() + i);
  }
  EXPECT_EQ(vectors, elements);

  const AdamWStep step{0.9f, 0.999f, 1e-8f, 1e-2f, 0.999f, 3.0f};
  std::vector<std::vector<float>> ours, theirs;   // value, gradient, first, second
  for (std::uint64_t kind = 0; kind < 4; ++kind) {
    stream.child(kind).fill_uniform(vectors.data(), n);
    ours.push_back(vectors), theirs.push_back(vectors);
  }
  kernels().adamw(ours[0].data(), ours[1].data(), ours[2].data(), ours[3].data(), n, step);
  for (std::size_t i = 0; i < n; ++i) adamw_element(theirs[0][i], theirs[1][i], theirs[2][i], theirs[3][i], step);
  for (const std::size_t kind : {0, 2, 3})
    for (std::size_t i = 0; i < n; ++i) ASSERT_NEAR(ours[kind][i], theirs[kind][i], 1e-6) << kind << " " << i;
}

TEST(AdamW, ByOperationsTakesTheStepOfTheHostsKernel) {
  for (const bool own : {true, false}) {
    const auto first = at::rand({3, 5, 7});
    AdamW kernel({{first.clone(), own, true, {}, {}}}, {.learning_rate = {1e-2, 2e-2, 0}, .weight_decay = {0.1, 0, 0.1}});
    AdamW::Slot slot{first.clone(), own, true, at::zeros_like(first), at::zeros_like(first)};
    for (int step = 1; step <= 5; ++step) {
      const auto gradient = at::randn({3, 5, 7});
      kernel.slots()[0].value.mutable_grad() = gradient;
      kernel.step();
      std::vector<AdamWStep> steps;
      for (const auto& [rate, decay] : std::vector<std::pair<double, double>>{{1e-2, 0.1}, {2e-2, 0}, {0, 0.1}}) {
        if (!own && !steps.empty()) break;
        steps.push_back({0.9f, 0.999f, 1e-8f, static_cast<float>(rate / (1 - std::pow(0.9, step))), static_cast<float>(1 - rate * decay),
                         static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, step)))});
      }
      step_by_operations(slot, gradient, rows_of(steps), {});
      EXPECT_TRUE(at::allclose(slot.value, kernel.slots()[0].value, 1e-5, 1e-6)) << step;
    }
  }
}

/// Runs that learn, in a pack of their own or recorded.
struct Learners {
  Learners(const Settings& settings, std::size_t count, at::Device device) : slow(read_slow_weights(settings.string("slow.weights"), 2)) {
    for (std::size_t i = 0; i < count; ++i) runs.push_back({"", settings, static_cast<std::int64_t>(i), 0, 1});
    configs.assign(count, parse_familiarity(settings));
    for (std::size_t i = 0; i < count; ++i) configs[i].learning_rate = configs[i].fast_rate = 1e-3 * static_cast<double>(i + 1);
    training.emplace(runs, configs, slow, device);
  }
  void keep_last() {
    runs.erase(runs.begin()), configs.erase(configs.begin());
    training->keep_runs({1});
  }

  SlowWeights slow;
  std::vector<RunSpec> runs;
  std::vector<FamiliarityConfig> configs;
  std::optional<FamiliarityTraining> training;
};

using Keys = std::map<std::string, Value>;
const std::map<std::string, Keys> kRecorded = {
    {"adapters", {}},
    {"gains", {{"fast.qkv", std::string("gain")}}},
    {"full training by descent", {{"fast.qkv", std::string("full")}, {"training.optimizer", std::string("sgd")}}},
    {"bfloat16", {{"training.precision", std::string("bfloat16")}}},
    {"every loss", {{"loss.masked", 0.5}, {"loss.features", 0.5}, {"loss.normalise_target", true}}}};

Settings learners(const std::filesystem::path& weights, const Keys& keys) {
  write_small_slow_weights(weights);
  auto settings = small_familiarity(weights);
  for (const auto& [key, value] : keys) settings.set(key, value);
  return settings;
}

// A recorded step reads what is new from the same tensors: were a learning rate, a correction for bias, a mask or an image of its first time in it, the
// twin would go on with that.
TEST(FamiliarityTraining, RecordedStepsHaveTheBitsOfStepsThatAreNot) {
  const TemporaryFolder folder;
  for (const auto& [name, keys] : kRecorded) {
    const auto settings = learners(folder / "slow.safetensors", keys);
    Learners plain(settings, 2, at::kCPU), recorded(settings, 2, at::kCPU);
    int replays = 0;
    recorded.training->record_steps(std::make_unique<Twin>(replays));
    for (std::int64_t step = 1; step <= 9; ++step) {
      if (step == 6) plain.keep_last(), recorded.keep_last();
      const auto images = at::rand({static_cast<std::int64_t>(plain.runs.size()), 2, 3, 32, 32});
      const auto loss = plain.training->step(images, images, step);
      EXPECT_TRUE(at::equal(recorded.training->step(images, images, step), loss)) << name << " " << step;
    }
    EXPECT_EQ(replays, 3 + 2) << name;
    for (auto slots : {&FastNetwork::fast, &FastNetwork::rest})
      for (std::size_t i = 0; i < (plain.training->network().*slots).size(); ++i)
        EXPECT_TRUE(at::equal((plain.training->network().*slots)[i].value, (recorded.training->network().*slots)[i].value)) << name;
  }
}

TEST(FamiliarityTraining, IsNotRecordedWhereAStepTakesNewNumbersFromTheHost) {
  const TemporaryFolder folder;
  for (const auto& [key, value] : Keys{{"training.gradient_noise", 0.1}, {"fast.rule", std::string("hebbian")}}) {
    Learners pack(learners(folder / "slow.safetensors", {{key, value}}), 2, at::kCPU);
    int replays = 0;
    pack.training->record_steps(std::make_unique<Twin>(replays));
    const auto images = at::rand({2, 2, 3, 32, 32});
    for (std::int64_t step = 1; step <= 4; ++step) pack.training->step(images, images, step);
    EXPECT_EQ(replays, 0) << key;
  }
}

TEST(FamiliarityTraining, ARecordedStepTouchesNothingOfTheHost) {
  const TemporaryFolder folder;
  for (const auto& [name, keys] : kRecorded) {
    Learners pack(learners(folder / "slow.safetensors", keys), 2, at::kMeta);
    int replays = 0;
    pack.training->record_steps(std::make_unique<Watching>(replays));
    const auto images = at::empty({2, 2, 3, 32, 32}, at::kMeta);
    for (std::int64_t step = 1; step <= 3; ++step) pack.training->step(images, images, step);
    EXPECT_EQ(replays, 1) << name;
    EXPECT_THAT(host_work, ::testing::IsEmpty()) << name;
    host_work.clear();
  }
}

// LibTorch's device "meta" computes shapes alone, and refuses to mix with tensors of any other: what runs on it keeps all of a step's tensors
// where the weights are, as a GPU needs it.
TEST(FamiliarityTraining, KeepsEveryTensorOfAStepOnTheDeviceOfItsWeights) {
  const TemporaryFolder folder;
  write_small_slow_weights(folder / "slow.safetensors");
  const auto slow = read_slow_weights(folder / "slow.safetensors", 2);
  for (const std::string condition : {"adapter", "gain", "full", "frozen", "bfloat16"})
    for (const std::string rule : {"adamw", "sgd", "hebbian", "delta"}) {
      const bool coarse = condition == "bfloat16";
      if (condition != "adapter" && !coarse && rule != "adamw") continue;
      auto settings = default_settings(familiarity_study().keys);
      settings.set("slow.weights", (folder / "slow.safetensors").string());
      settings.set("fast.qkv", coarse ? "adapter" : condition);
      settings.set("training.precision", std::string(coarse ? "bfloat16" : "tf32"));
      settings.set("fast.rule", rule);
      settings.set("fast.decay", 0.1);
      settings.set("training.gradient_noise", 0.1);
      const std::vector<RunSpec> runs = {{"a", settings, 0, 0, 1}, {"b", settings, 1, 0, 1}};
      const std::vector<FamiliarityConfig> configs(2, parse_familiarity(settings));
      FamiliarityTraining training(runs, configs, slow, at::kMeta);
      const auto images = at::empty({2, 3, 3, 32, 32}, at::kMeta);
      for (const std::int64_t epoch : {1, 2}) {
        EXPECT_TRUE(training.step(images, images, epoch).is_meta()) << condition << " " << rule;
        training.end_epoch(epoch);
      }
      for (const auto& slots : {training.network().fast, training.network().rest})
        for (const auto& slot : slots) EXPECT_TRUE(slot.value.is_meta() && slot.value.grad().is_meta() && slot.value.grad().scalar_type() == at::kFloat) << condition << " " << rule;
      EXPECT_TRUE(rebuilt(training.network(), images).is_meta());
    }
}

}  // namespace
}  // namespace palimpsest
