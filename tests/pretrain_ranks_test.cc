#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "runtime/agree.h"
#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/tensor_file.h"
#include "tests/over_ranks.h"
#include "tests/small_pretraining.h"

// Run by 3 ranks (tests/CMakeLists.txt).

namespace palimpsest {
namespace {

class PretrainOverRanks : public OverRanks {
 protected:
  TemporaryFolder folder_{"ranks", *everyone_};
};

std::vector<double> column(const std::string& csv, int number) {
  std::istringstream lines(csv);
  std::vector<double> values;
  std::string line, field;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    for (int i = 0; i <= number; ++i) std::getline(fields, field, ',');
    if (!field.empty()) values.push_back(std::stod(field));
  }
  return values;
}

TEST_F(PretrainOverRanks, LossCurveOfTwoAndThreeRanksIsThatOfOne) {
  auto settings = small_pretraining();
  settings.set("training.steps", std::int64_t{50});
  settings.set("training.dropout", 0.1);
  std::vector<std::string> curves;
  for (const int ranks : {1, 2, 3}) {   // 8 images over 3 ranks: 2, 3 and 3
    const auto out = folder_ / std::to_string(ranks);
    if (const auto world = first(ranks)) pretrain(settings, *world, {.out = out, .should_stop = {}, .threads = 1});
    if (everyone_->rank() == 0) curves.push_back(read_file(out / "losses.csv"));
  }
  if (everyone_->rank() != 0) return;
  for (int what : {1, 2}) {   // loss, validation
    const auto alone = column(curves[0], what);
    ASSERT_EQ(alone.size(), what == 1 ? 50u : 5u);
    for (int ranks = 2; ranks <= 3; ++ranks) {
      const auto together = column(curves[ranks - 1], what);
      ASSERT_EQ(together.size(), alone.size());
      for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_NEAR(together[i] / alone[i], 1, 1e-6) << ranks << " ranks, " << i;
    }
  }
}

TEST_F(PretrainOverRanks, TwoThreadsOfOneRankGiveTheBitsOfTwoRanks) {
  const auto settings = small_pretraining();
  if (const auto two = first(2)) pretrain(settings, *two, {.out = folder_ / "ranks", .should_stop = {}, .threads = 1});
  if (const auto one = first(1)) pretrain(settings, *one, {.out = folder_ / "threads", .should_stop = {}, .threads = 2});
  if (everyone_->rank() != 0) return;
  const auto ranks = read_tensors(folder_ / "ranks" / "weights.safetensors"), threads = read_tensors(folder_ / "threads" / "weights.safetensors");
  for (const auto& [name, tensor] : ranks) EXPECT_TRUE(at::equal(tensor, threads.at(name))) << name;
}

TEST_F(PretrainOverRanks, ASignalToOneRankStopsAllAtOneStepAndTheyResume) {
  const auto settings = small_pretraining();
  const auto out = folder_ / "stopped", whole = folder_ / "whole";
  pretrain(settings, *everyone_, {.out = whole, .should_stop = {}, .threads = 1});
  int polls = 0;
  const auto stop = [&] { return everyone_->rank() == 1 && ++polls == 9; };
  EXPECT_THROW(pretrain(settings, *everyone_, {.out = out, .should_stop = stop, .threads = 1}), Interrupted);
  pretrain(settings, *everyone_, {.out = out, .should_stop = {}, .threads = 1});
  if (everyone_->rank() != 0) return;
  EXPECT_TRUE(read_file(whole / "weights.safetensors") == read_file(out / "weights.safetensors"));
}

TEST_F(PretrainOverRanks, WhatFailsOnOneRankIsThrownOnAllWithItsName) {
  try {
    agree(*everyone_, [&] { if (everyone_->rank() == 2) throw InputError("the folder /photos is not there"); });
    FAIL() << "rank " << everyone_->rank() << " went on";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "rank 2: the folder /photos is not there");
  }
  const auto place_fails = [&](std::errc why) {
    if (everyone_->rank() == 1) throw std::filesystem::filesystem_error("cannot create", "/out", std::make_error_code(why));
  };
  try {
    agree(*everyone_, [&] { place_fails(std::errc::permission_denied); });
    FAIL() << "rank " << everyone_->rank() << " went on";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "rank 1: /out: Permission denied. Check the path and its permissions.");
  }
  EXPECT_THROW(agree(*everyone_, [&] { place_fails(std::errc::no_space_on_device); }), Interrupted);
  EXPECT_NO_THROW(agree(*everyone_, [] {}));
}

std::string refusal_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const InputError& error) {
    return error.what();
  }
  return "not refused";
}

TEST_F(PretrainOverRanks, RanksOfAnotherBuildAreNamed) {
  const std::string build = everyone_->rank() == 2 ? "b2b2b2+, Debug" : "a1a1a1, Release";
  EXPECT_EQ(refusal_of([&] { pretrain(small_pretraining(), *everyone_, {.out = folder_ / "build", .should_stop = {}, .threads = 1, .build = build}); }),
            "rank 2: its build of palimpsest is not that of rank 0: \"b2b2b2+, Debug\" here, \"a1a1a1, Release\" there. "
            "Start all ranks from the same files and the same installation.");
}

// As on hosts whose disks are not one: each rank finds under the same path what lies in a folder of its own.
TEST_F(PretrainOverRanks, RanksThatSeeAnotherCheckpointUnderThatPathAreNamed) {
  auto settings = small_pretraining();
  settings.set("training.steps", std::int64_t{3});
  const auto before = std::filesystem::current_path();
  const auto own = folder_ / ("disk " + std::to_string(everyone_->rank()));
  std::filesystem::create_directories(own);
  std::filesystem::current_path(own);
  const auto train_alone = [&](std::int64_t seed) {
    std::filesystem::remove_all("run");
    settings.set("training.seed", seed);
    pretrain(settings, *single_process(), {.out = "run", .should_stop = {}, .threads = 1});
    settings.set("training.seed", std::int64_t{0});
  };
  const auto go_on = [&] { pretrain(settings, *everyone_, {.out = "run", .should_stop = {}, .threads = 1}); };
  const auto state = std::filesystem::path("run/checkpoints/step-000000003/state-00000-of-00001.safetensors");
  train_alone(everyone_->rank() == 1 ? 5 : 0);
  EXPECT_THAT(refusal_of(go_on), testing::HasSubstr("rank 1: its checkpoint run/checkpoints/step-000000003 is not that of rank 0: \""));
  train_alone(0);
  if (everyone_->rank() == 2) std::filesystem::resize_file(state, 100);
  EXPECT_THAT(refusal_of(go_on), testing::HasSubstr("rank 2: run/checkpoints/step-000000003: this checkpoint is not whole here: state-00000-of-00001.safetensors has 100 bytes"));
  if (everyone_->rank() == 2) std::filesystem::remove_all("run");
  EXPECT_THAT(refusal_of(go_on), testing::HasSubstr("rank 2: run/checkpoints/step-000000003: this checkpoint is not whole here: it has no manifest"));
  train_alone(0);
  EXPECT_EQ(refusal_of(go_on), "not refused") << "equal copies are as good as one folder";
  std::filesystem::current_path(before);
}

TEST_F(PretrainOverRanks, ABatchSmallerThanTheWorldIsRefused) {
  auto settings = small_pretraining();
  settings.set("training.batch", std::int64_t{2});
  EXPECT_THROW(pretrain(settings, *everyone_, {.out = folder_ / "small", .should_stop = {}, .threads = 1}), InputError);
}

}  // namespace
}  // namespace palimpsest
