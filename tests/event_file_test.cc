#include "runtime/event_file.h"

#include <cstring>
#include <fstream>
#include <map>
#include <vector>

#include <gmock/gmock.h>

#include "runtime/durable_file.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files(fs::directory_iterator(folder), fs::directory_iterator{});
  std::sort(files.begin(), files.end());
  return files;
}

// The data of each record, by lengths alone.
std::vector<std::string> records(const fs::path& file) {
  const std::string bytes = read_file(file);
  std::vector<std::string> all;
  for (std::size_t at = 0; at + 16 <= bytes.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    all.push_back(bytes.substr(at + 12, length));
    at += 16 + length;
  }
  return all;
}

// How often each tag is written in a folder.
std::map<std::string, int> tags(const fs::path& folder) {
  std::map<std::string, int> counts;
  for (const fs::path& file : files_in(folder))
    for (const std::string& event : records(file))
      for (const char* tag : {"at-1", "at-2", "at-3", "at-300"})
        if (const auto place = event.find(tag);
            place != std::string::npos && event.substr(place).find_first_of("\x15\"") == std::strlen(tag))
          ++counts[tag];
  return counts;
}

void write_steps(EventFile& events, std::initializer_list<std::int64_t> steps) {
  for (const std::int64_t step : steps) events.scalar(step, "at-" + std::to_string(step), 0.5);
  events.flush();
}

TEST(Crc32c, GivesTheNumbersOfTheStandard) {  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
}

TEST(EventFile, ARunThatGoesOnFromACheckpointRepeatsNoStep) {
  const TemporaryFolder folder;
  {
    EventFile events(folder.path(), 0);
    write_steps(events, {1, 2, 3, 300});
  }
  EventFile events(folder.path(), 2);
  EXPECT_EQ(tags(folder.path()), (std::map<std::string, int>{{"at-1", 1}, {"at-2", 1}}));
  write_steps(events, {3, 300});
  EXPECT_EQ(tags(folder.path()), (std::map<std::string, int>{{"at-1", 1}, {"at-2", 1}, {"at-3", 1}, {"at-300", 1}}));
  EXPECT_EQ(files_in(folder.path()).size(), 2u);
}

TEST(EventFile, ARunThatStartsAnewLeavesNothingOfTheOneBefore) {
  const TemporaryFolder folder;
  {
    EventFile events(folder.path(), 0);
    write_steps(events, {1, 2});
  }
  EventFile events(folder.path(), 0);
  EXPECT_TRUE(tags(folder.path()).empty());
  EXPECT_EQ(files_in(folder.path()).size(), 1u);
}

TEST(EventFile, WhatAKilledProcessCutOffIsTakenOut) {
  const TemporaryFolder folder;
  {
    EventFile events(folder.path(), 0);
    write_steps(events, {1, 2});
  }
  const fs::path file = files_in(folder.path())[0];
  const std::string whole = read_file(file);
  std::ofstream(file, std::ios::binary) << whole.substr(0, whole.size() - 3);
  EventFile events(folder.path(), 5);
  EXPECT_EQ(tags(folder.path()), (std::map<std::string, int>{{"at-1", 1}}));
}

TEST(EventFile, TheNewestFileIsTheLastByName) {
  const TemporaryFolder folder;
  for (int start = 0; start < 3; ++start) {
    EventFile events(folder.path(), start);
    write_steps(events, {start + 1});
  }
  const auto files = files_in(folder.path());
  ASSERT_EQ(files.size(), 3u);
  EXPECT_THAT(read_file(files[2]), HasSubstr("at-3"));
}

}  // namespace
}  // namespace palimpsest
