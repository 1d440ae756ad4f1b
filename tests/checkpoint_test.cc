#include "runtime/checkpoint.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

class Checkpoints : public ::testing::Test {
 protected:
  Checkpoint write(std::int64_t step, int keep = 2, const std::string& content = "") {
    return write_checkpoint(
        folder_.path(), step,
        [&](const fs::path& to) {
          write_durably(to / "weights.safetensors", content.empty() ? "weights of " + std::to_string(step) : content);
          std::ofstream(to / "optimizer.txt") << "moments";
        },
        {.newest = keep, .every = every_});
  }
  /// The step of the newest whole one, -1 where there is none.
  std::int64_t newest() {
    refused_.clear();
    const auto found = newest_checkpoint(folder_.path(), [this](const std::string& line) { refused_.push_back(line); });
    return found ? found->step : -1;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryFolder folder_;
  std::int64_t every_ = 0;
  std::vector<std::string> refused_;
};

TEST_F(Checkpoints, AreFoundByTheirStep) {
  EXPECT_EQ(newest(), -1);
  write(90);
  const Checkpoint last = write(1200);
  EXPECT_EQ(last.folder.filename(), "step-000001200");
  EXPECT_EQ(newest(), 1200);
  EXPECT_EQ(read_file(last.folder / "weights.safetensors"), "weights of 1200");
  EXPECT_THAT(refused_, IsEmpty());
}

TEST_F(Checkpoints, OlderThanTheNewestTwoAreRemoved) {
  for (const int step : {1, 2, 3, 4}) write(step);
  EXPECT_THAT(names(), ElementsAre("step-000000003", "step-000000004"));
}

TEST_F(Checkpoints, OfEveryNthStepStayBesideTheNewest) {
  every_ = 20;
  for (int step = 10; step <= 70; step += 10) write(step);
  EXPECT_THAT(names(), ElementsAre("step-000000020", "step-000000040", "step-000000060", "step-000000070"));
}

TEST_F(Checkpoints, OfSeveralWritersCountOnceTheyAreSealed) {
  const fs::path first = start_checkpoint(folder_.path(), 3), second = start_checkpoint(folder_.path(), 3);
  EXPECT_EQ(first, second);
  write_durably(first / "a", "of the first");
  write_durably(second / "b", "of the second");
  EXPECT_EQ(newest(), -1);
  seal_checkpoint(folder_.path(), 3, {});
  EXPECT_EQ(newest(), 3);
  write_durably(start_checkpoint(folder_.path(), 4) / "a", "half");
  abandon_checkpoint(folder_.path(), 4);
  EXPECT_THAT(names(), ElementsAre("step-000000003"));
}

TEST_F(Checkpoints, ThatAreTornAreRefusedByNameAndTheOneBeforeIsUsed) {
  const auto torn = [&](auto tear) {
    fs::remove_all(folder_.path());
    write(1);
    tear(write(2).folder);
    EXPECT_EQ(newest(), 1);
    ASSERT_EQ(refused_.size(), 1u);
    EXPECT_THAT(refused_[0], HasSubstr("step-000000002: this checkpoint is refused: "));
  };
  torn([](const fs::path& at) { fs::remove(at / "manifest.json"); });
  EXPECT_THAT(refused_[0], HasSubstr("it has no manifest"));
  torn([](const fs::path& at) { fs::resize_file(at / "weights.safetensors", 3); });
  EXPECT_THAT(refused_[0], HasSubstr("weights.safetensors has 3 bytes instead of 12"));
  torn([](const fs::path& at) { std::ofstream(at / "weights.safetensors") << "weights of 3"; });
  EXPECT_THAT(refused_[0], HasSubstr("weights.safetensors is not what was written (its hash differs)"));
  torn([](const fs::path& at) { fs::remove(at / "optimizer.txt"); });
  EXPECT_THAT(refused_[0], HasSubstr("optimizer.txt is missing"));
  torn([](const fs::path& at) { std::ofstream(at / "manifest.json") << "{\"format\": 2}"; });
  EXPECT_THAT(refused_[0], HasSubstr("it has format 2, and this program reads format 1"));
  torn([](const fs::path& at) {
    std::ofstream(at / "manifest.json") << R"({"format":1,"step":2,"files":[{"name":"../x","size":0}]})";
  });
  EXPECT_THAT(refused_[0], HasSubstr("names a file outside"));
}

TEST_F(Checkpoints, SurviveEveryCutAndFlipOfAManifest) {
  write(1);
  const fs::path manifest = write(2).folder / "manifest.json";
  const std::string whole = read_file(manifest);
  for (std::size_t length = 0; length + 2 < whole.size(); ++length) {
    std::ofstream(manifest) << whole.substr(0, length);
    EXPECT_EQ(newest(), 1) << length;
  }
  for (std::size_t place = 0; place < whole.size(); ++place) {
    std::string flipped = whole;
    flipped[place] = static_cast<char>(flipped[place] ^ 4);
    std::ofstream(manifest) << flipped;
    newest();  // never a crash; a flip of white space may leave it whole
  }
}

TEST_F(Checkpoints, LeftUnfinishedByAKillArePassedOverAndSweptAwayByTheNext) {
  write(1);
  fs::create_directory(folder_ / "step-000000002.unfinished");
  write_durably(folder_ / "step-000000002.unfinished" / "weights.safetensors", "half");
  EXPECT_EQ(newest(), 1);
  EXPECT_THAT(refused_, ElementsAre(HasSubstr("step-000000002.unfinished: this checkpoint was not finished")));
  write(3);
  EXPECT_THAT(names(), ElementsAre("step-000000001", "step-000000003"));
}

TEST_F(Checkpoints, ThatCannotBeWrittenLeaveNothingBehind) {
  write(1);
  const auto fail = [](const fs::path& to) {
    write_durably(to / "weights.safetensors", "half");
    throw Interrupted("the disk is full");
  };
  EXPECT_THROW(write_checkpoint(folder_.path(), 2, fail), Interrupted);
  EXPECT_THAT(names(), ElementsAre("step-000000001"));
}

TEST_F(Checkpoints, AreReplacedByOnesOfTheSameStep) {
  write(5);
  write(5, 2, "again");
  EXPECT_EQ(read_file(folder_ / "step-000000005" / "weights.safetensors"), "again");
  EXPECT_THAT(names(), ElementsAre("step-000000005"));
}

TEST_F(Checkpoints, AreNotRemovedInFavourOfTornOnes) {
  write(1);
  fs::remove(write(2).folder / "manifest.json");
  write(3);
  EXPECT_EQ(newest(), 3);
  fs::remove(folder_ / "step-000000003" / "manifest.json");
  EXPECT_EQ(newest(), 1);
}

TEST_F(Checkpoints, CannotBeWrittenIntoAFile) {
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THROW(write_checkpoint(folder_ / "file", 1, [](const fs::path&) {}), InputError);
}

}  // namespace
}  // namespace palimpsest
