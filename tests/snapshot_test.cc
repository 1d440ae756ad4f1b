// A run that is stopped anywhere and goes on from its snapshot, in whatever company, ends with the bits of one that was left alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "sweeps/circuit.h"
#include "sweeps/familiarity.h"
#include "sweeps/familiarity_snapshot.h"
#include "sweeps/snapshot.h"
#include "tests/small_studies.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;

Snapshot some_snapshot() { return {7, {{"weights", {"F32", {2}, std::vector<std::byte>(8, std::byte{3})}}, {"count", {"I64", {}, std::vector<std::byte>(8)}}}}; }

struct ASnapshot : testing::Test {
  TemporaryFolder folder;
  std::filesystem::path file = snapshot_file(folder.path(), "5e0c");
  ASnapshot() { write_snapshot(folder.path(), "5e0c", some_snapshot()); }
};

TEST_F(ASnapshot, ReadsBackAsWritten) {
  const auto read = read_snapshot(folder.path(), "5e0c");
  ASSERT_TRUE(read.snapshot) << read.refused;
  EXPECT_EQ(read.snapshot->step, 7);
  for (const auto& [name, part] : some_snapshot().parts) {
    EXPECT_EQ(read.snapshot->parts.at(name).bytes, part.bytes);
    EXPECT_EQ(read.snapshot->parts.at(name).shape, part.shape);
    EXPECT_EQ(read.snapshot->parts.at(name).dtype, part.dtype);
  }
}

TEST_F(ASnapshot, IsNotThereForAnotherRun) {
  const auto read = read_snapshot(folder.path(), "ffff");
  EXPECT_FALSE(read.snapshot);
  EXPECT_EQ(read.refused, "");
}

TEST_F(ASnapshot, OfAnotherRunUnderItsNameIsRefusedAndRemoved) {
  std::filesystem::rename(file, snapshot_file(folder.path(), "ffff"));
  EXPECT_THAT(read_snapshot(folder.path(), "ffff").refused, HasSubstr("it is that of run 5e0c"));
  EXPECT_FALSE(std::filesystem::exists(snapshot_file(folder.path(), "ffff")));
}

// One bit of each byte, and every length.
TEST_F(ASnapshot, WithABitTurnedIsRefusedOrTheSameAndWithAByteMissingRefused) {
  const std::string whole = read_file(file);
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
    const auto read = read_snapshot(folder.path(), "5e0c");
    return !read.snapshot && !read.refused.empty();
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
    std::ofstream(file, std::ios::binary) << bytes;
    const auto read = read_snapshot(folder.path(), "5e0c");
    if (!read.snapshot) continue;
    EXPECT_EQ(read.snapshot->step, 7) << "byte " << i;
    for (const auto& [name, part] : some_snapshot().parts) EXPECT_EQ(read.snapshot->parts.at(name).bytes, part.bytes) << "byte " << i;
  }
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_TRUE(refused(whole.substr(0, size))) << size << " bytes of " << whole.size();
}

// Snapshots in a folder; `stops`: how often a pack may ask whether it should stop before it is told to.
struct Folder : Snapshots {
  explicit Folder(std::filesystem::path at) : at(std::move(at)) {}
  bool due() override { return always; }
  void save(const std::string& run, const Snapshot& snapshot) override {
    write_snapshot(at, run, snapshot);
    ++saved_ones;
  }
  std::optional<Snapshot> saved(const std::string& run) override {
    auto read = read_snapshot(at, run);
    EXPECT_EQ(read.refused, "");
    went_on += read.snapshot.has_value();
    return std::move(read.snapshot);
  }
  std::filesystem::path at;
  bool always = false;
  int saved_ones = 0, went_on = 0;
};

using Results = std::map<RunId, RunResult>;

// Runs the pack until it is through or was asked `patience` times; whether it was through.
bool run_for(const Study& study, const std::vector<RunSpec>& pack, Snapshots* snapshots, int patience, Results& results) {
  PackContext context;
  context.report = [&](RunResult result) { results[result.id] = std::move(result); };
  context.should_stop = [&patience] { return patience-- <= 0; };
  context.progress = [](double) {};
  context.snapshots = snapshots;
  try {
    study.run_pack(pack, context);
    return true;
  } catch (const Interrupted&) {
    return false;
  }
}

// What a pack says that was asked `patience` times.
std::string why_left(const Study& study, const std::vector<RunSpec>& pack, int patience) {
  try {
    study.run_pack(pack, {[](RunResult) {}, [&patience] { return patience-- <= 0; }, [](double) {}});
  } catch (const Interrupted& stop) {
    return stop.what();
  }
  return "";
}

void expect_equal(const Results& results, const Results& whole) {
  ASSERT_EQ(results.size(), whole.size());
  for (const auto& [id, result] : whole) {
    ASSERT_EQ(result.measurements.size(), results.at(id).measurements.size());
    EXPECT_EQ(result.failure, results.at(id).failure);
    for (std::size_t i = 0; i < result.measurements.size(); ++i) {
      const Measurement &a = results.at(id).measurements[i], &b = result.measurements[i];
      EXPECT_EQ(a.metric, b.metric);
      EXPECT_EQ(a.axes, b.axes) << a.metric;
      ASSERT_EQ(a.values.size(), b.values.size()) << a.metric;
      EXPECT_EQ(std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)), 0) << id << " " << a.metric;
    }
  }
}

// Stops the pack again and again after `patience` questions, in changing company, until all its runs are through.
void expect_same_bits_when_stopped(const Study& study, const std::vector<RunSpec>& pack, int patience) {
  TemporaryFolder at;
  Results whole, stopped;
  ASSERT_TRUE(run_for(study, pack, nullptr, 1 << 30, whole));
  Folder snapshots(at.path());
  std::vector<RunSpec> open = pack;
  int turns = 0;
  for (; !open.empty() && turns < 200; ++turns) {
    const auto size = static_cast<std::ptrdiff_t>(turns % 3 == 2 ? 1 : open.size());
    run_for(study, {open.begin(), open.begin() + size}, &snapshots, patience + turns, stopped);
    std::rotate(open.begin(), open.begin() + 1, open.end());
    std::erase_if(open, [&](const RunSpec& run) { return stopped.contains(run.id); });
  }
  std::printf("%s: stopped every %d questions, %d turns, %d snapshots, %d times gone on\n", study.name.c_str(), patience, turns, snapshots.saved_ones, snapshots.went_on);
  EXPECT_GT(snapshots.went_on, 0);
  expect_equal(stopped, whole);
}

struct Studies : testing::Test {
  TemporaryFolder folder;

  Settings familiarity() {
    write_small_slow_weights(folder / "slow.safetensors");
    return small_familiarity(folder / "slow.safetensors");
  }
  std::vector<RunSpec> three(const Settings& settings) {
    std::vector<RunSpec> runs;
    for (int i = 0; i < 3; ++i) runs.push_back({"run " + std::to_string(i), settings, i, i % 2, 4});
    return runs;
  }
};

TEST_F(Studies, FamiliarityStoppedBetweenStepsEvaluationsAndBlocksGoesOnToTheSameBits) {
  for (const int patience : {11, 47}) expect_same_bits_when_stopped(familiarity_study(), three(familiarity()), patience);
}

TEST_F(Studies, FamiliarityGoesOnUnderEveryKindOfFastWeights) {
  for (const std::string qkv : {"adapter", "gain", "full", "frozen"}) {
    auto s = familiarity();
    s.set("fast.qkv", qkv);
    expect_same_bits_when_stopped(familiarity_study(), three(s), 40);
  }
}

TEST_F(Studies, FamiliarityGoesOnInEpochsOfSeveralStepsAndUnderALossOfSeveralTerms) {
  auto steps = familiarity(), terms = familiarity();
  steps.set("training.steps_per_epoch", std::int64_t{2});
  expect_same_bits_when_stopped(familiarity_study(), three(steps), 15);
  for (const char* term : {"loss.masked", "loss.features"}) terms.set(term, 0.5);
  expect_same_bits_when_stopped(familiarity_study(), three(terms), 60);
}

TEST_F(Studies, FamiliarityLeavesAnEpochOfManyStepsWithinAStep) {
  auto steps = familiarity();
  steps.set("training.steps_per_epoch", std::int64_t{2});
  std::set<std::string> why;
  for (int patience = 5; patience <= 60; patience += 5) why.insert(why_left(familiarity_study(), three(steps), patience));
  EXPECT_TRUE(why.contains("stopped within a step; it is made again"));
}

TEST_F(Studies, FamiliarityGoesOnUnderEveryLearningRule) {
  for (const std::string rule : {"sgd", "hebbian", "delta"}) {
    auto s = familiarity();
    s.set("fast.rule", rule);
    expect_same_bits_when_stopped(familiarity_study(), three(s), 40);
  }
}

// A rule with a state that no rule of the list has: a trace of each run, and a count.
struct Trace : LearningRule {
  explicit Trace(std::int64_t runs) : trace(at::zeros({runs, 2})), count(at::zeros({runs}, at::kLong)) {}
  void apply(const std::vector<Activity>&) override { trace = 0.5 * trace + count.add_(1).unsqueeze(1); }
  RuleState state() const override { return {{"trace", trace}, {"count", count}}; }
  void go_on_from(const RuleState& state) override { trace = state.at("trace"), count = state.at("count"); }
  void keep_runs(const std::vector<std::int64_t>&) override {}
  at::Tensor trace, count;
};

TEST(RuleState, OfAnyRuleGoesOnInAnotherPackAsItWas) {
  Trace rule(3);
  rule.trace = at::arange(6).view({3, 2}).to(at::kFloat);
  for (int step = 0; step < 4; ++step) rule.step({});
  std::vector<Snapshot> two(2);
  put_rule(two[0], "rule.fast", rule, 2);
  put_rule(two[1], "rule.fast", rule, 0);
  Trace again(2);
  get_rule(two, "rule.fast", again);
  for (auto* one : {&rule, &again}) one->step({});
  EXPECT_TRUE(at::equal(again.trace[0], rule.trace[2]));
  EXPECT_TRUE(at::equal(again.trace[1], rule.trace[0]));
}

TEST_F(Studies, ThatAreSavedAtEveryStepHaveTheSameBits) {
  TemporaryFolder at;
  Folder snapshots(at.path());
  snapshots.always = true;
  Results whole, saved;
  ASSERT_TRUE(run_for(familiarity_study(), three(familiarity()), nullptr, 1 << 30, whole));
  ASSERT_TRUE(run_for(familiarity_study(), three(familiarity()), &snapshots, 1 << 30, saved));
  EXPECT_GT(snapshots.saved_ones, 12);
  expect_equal(saved, whole);
}

TEST_F(Studies, CircuitStoppedBetweenPresentationsGoesOnToTheSameBits) {
  for (const int patience : {2, 7}) expect_same_bits_when_stopped(kCircuitStudy, three(small_circuit()), patience);
}

}  // namespace
}  // namespace palimpsest
