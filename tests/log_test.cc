#include "runtime/log.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "runtime/error.h"
#include "runtime/progress.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

namespace fs = std::filesystem;

class Log : public ::testing::Test {
 protected:
  ~Log() override { open_log(0); }
  TemporaryFolder folder_;
};

TEST_F(Log, TellsPeopleShortLinesAndFilesOneObjectALine) {
  open_log(2, folder_.path());
  ::testing::internal::CaptureStderr();
  log().info("pack {} done", 7);
  log().warn("a \"quoted\"\nline, and a byte that is no text: \xff");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              MatchesRegex("..:..:.. rank 2: pack 7 done\n..:..:.. rank 2: warning: a .quoted.\n.*\n"));

  std::istringstream lines(read_file(folder_ / "log.jsonl"));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto first = nlohmann::json::parse(line);
  EXPECT_EQ(first.at("level"), "info");
  EXPECT_EQ(first.at("rank"), 2);
  EXPECT_EQ(first.at("message"), "pack 7 done");
  EXPECT_THAT(first.at("time").get<std::string>(), MatchesRegex("20..-..-..T..:..:..\\....Z"));
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line).at("message"), "a \"quoted\"\nline, and a byte that is no text: \xef\xbf\xbd");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(Log, AddsToTheFileOfAnEarlierRunAndKeepsLinesOfThreadsWhole) {
  open_log(0, folder_.path());
  ::testing::internal::CaptureStderr();
  log().info("first");
  open_log(0, folder_.path());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 50; ++i) log().info("line {}", i);
    });
  for (std::thread& thread : threads) thread.join();
  ::testing::internal::GetCapturedStderr();
  std::istringstream lines(read_file(folder_ / "log.jsonl"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_NO_THROW(nlohmann::json::parse(line)) << line;
  EXPECT_EQ(count, 201);
}

TEST_F(Log, NamesAFolderThatCannotBeWritten) {
  write_durably(folder_ / "file", "x");
  EXPECT_THROW(open_log(0, folder_ / "file"), InputError);
}

TEST(Progress, PipedTellsOneLineAtTheEndOfShortWork) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress("pretraining", 40, "steps");
    for (int step = 0; step <= 40; ++step) progress.update(step);
    progress.finish("loss 0.03");
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              MatchesRegex("pretraining  40/40 steps .* in 0 s  loss 0.03\n"));
}

TEST(Progress, SpellsDurations) {
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(41.2), "41 s");
  EXPECT_EQ(duration_text(59.7), "1 min 00 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
  EXPECT_EQ(duration_text(200'000), "2 days 7 h");
}

}  // namespace
}  // namespace palimpsest
