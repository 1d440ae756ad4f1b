// Copies of a ledger in a folder that outlives the machine.

#include "sweeps/ledger_backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/durable_file.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

struct ABackup : testing::Test {
  TemporaryFolder folder;
  const std::filesystem::path results = folder / "results", backup = folder / "backup";

  void sweep(int image_sets) {
    const auto file = folder / "sweep.toml";
    std::ofstream(file) << "study = \"planted\"\nname = \"backup\"\n[sweep]\nimage_sets = " << image_sets << "\n";
    Process process(palimpsest_command(0, {"sweep", file, "--out", results, "--backup", backup}), folder / "log");
    ASSERT_EQ(process.wait(), 0) << process.output();
  }
  std::vector<std::string> copies() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(backup)) names.push_back(entry.path().filename());
    return names;
  }
};

TEST_F(ABackup, HoldsWhatTheLedgerHeldAndIsTakenUpWhereThereIsNone) {
  sweep(3);
  const std::string whole = exported(results);
  std::filesystem::remove_all(results);
  EXPECT_TRUE(take_up_backup(results, backup));
  EXPECT_EQ(exported(results), whole);
  EXPECT_FALSE(take_up_backup(results, backup));   // there is one now
}

TEST_F(ABackup, ThatWasCutOffIsPassedOverForTheOneBefore) {
  sweep(3);
  const std::string whole = exported(results);
  back_up_ledger(results, backup);
  std::filesystem::resize_file(backup / "ledger-2.sqlite", std::filesystem::file_size(backup / "ledger-2.sqlite") / 2);
  std::filesystem::remove_all(results);
  EXPECT_TRUE(take_up_backup(results, backup));
  EXPECT_EQ(exported(results), whole);
}

TEST_F(ABackup, KeepsTheTwoNewestCopies) {
  sweep(1);
  for (int i = 0; i < 4; ++i) back_up_ledger(results, backup);
  EXPECT_THAT(copies(), testing::UnorderedElementsAre("ledger-4.sqlite", "ledger-5.sqlite"));
}

TEST_F(ABackup, LetsASweepGoOnWithoutRunningAnythingTwice) {
  sweep(2);
  std::filesystem::remove_all(results);
  sweep(3);
  EXPECT_THAT(read_file(folder / "log"), testing::HasSubstr("2 done before"));
}

TEST_F(ABackup, ASweepEndsWithALineToWaitFor) {
  sweep(2);
  EXPECT_EQ(read_file(results / "outcome"), "complete: 2 of 2 runs done, 0 failed\n");
}

}  // namespace
}  // namespace palimpsest
