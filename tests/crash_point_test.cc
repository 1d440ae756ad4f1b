// A kill at every crash point: what is finished afterwards gives the tables that were never disturbed.

#include <gtest/gtest.h>

#include <fstream>

#include "runtime/crash_point.h"
#include "runtime/durable_file.h"
#include "sweeps/ledger.h"
#include "sweeps/ledger_check.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

struct ASweep : testing::Test {
  TemporaryFolder folder;

  std::string definition() {
    const auto file = folder / "sweep.toml";
    std::ofstream(file) << "study = \"planted\"\nname = \"killed\"\n[packs]\nsize = 2\n[sweep]\nimage_sets = 4\nseeds = 2\n";
    return file;
  }
  // One process; -9 where it was killed.
  int sweep(const std::filesystem::path& out, const std::string& crash) {
    return Process(palimpsest_command(0, {"sweep", definition(), "--out", out}), folder / "log", {{{"PALIMPSEST_CRASH_AT", crash}}, false, 0}).wait();
  }
};

TEST_F(ASweep, KilledAtAnyPointLosesNothingAndDoublesNothing) {
  ASSERT_EQ(Process(palimpsest_command(0, {"sweep", definition(), "--out", folder / "whole"}), folder / "log").wait(), 0);
  const std::string whole = exported(folder / "whole");
  for (const std::string_view point : kCrashPoints) {
    const auto results = folder / std::string(point);
    ASSERT_EQ(sweep(results, std::string(point)), -9) << point << " is not passed: " << read_file(folder / "log");
    const auto done = runs_done(results);
    ASSERT_EQ(sweep(results, std::string(point) + ":1000"), 0) << point << ": " << read_file(folder / "log");
    EXPECT_EQ(exported(results), whole) << point;
    EXPECT_TRUE(check_ledger(results).findings.empty()) << point;
    std::printf("killed at %s with %ld of 8 runs done: the same tables\n", std::string(point).c_str(), static_cast<long>(done));
  }
}

// Those around a send, with ranks to send to: rank 0 dies where it is the one that passes, the others where they do.
TEST_F(ASweep, KilledAroundAMessageBetweenRanksLosesNothingAndDoublesNothing) {
  ASSERT_EQ(Process(palimpsest_command(0, {"sweep", definition(), "--out", folder / "whole"}), folder / "log").wait(), 0);
  const std::string whole = exported(folder / "whole");
  for (const std::string point : {"before-order", "after-order", "order-received", "before-report", "inside-pack"}) {
    const auto results = folder / point;
    const auto command = palimpsest_command(3, {"sweep", definition(), "--out", results});
    const int code = Process(command, folder / "log", {{{"PALIMPSEST_CRASH_AT", point}}, false, 0}).wait();
    ASSERT_NE(code, 0) << point << " is not passed: " << read_file(folder / "log");
    const auto done = runs_done(results);
    ASSERT_EQ(Process(command, folder / "log").wait(), 0) << point << ": " << read_file(folder / "log");
    EXPECT_EQ(exported(results), whole) << point;
    EXPECT_TRUE(check_ledger(results).findings.empty()) << point;
    std::printf("three ranks killed at %s with %ld of 8 runs done: the same tables\n", point.c_str(), static_cast<long>(done));
  }
}

TEST_F(ASweep, IsRefusedACrashPointThatIsNone) { EXPECT_EQ(sweep(folder / "out", "after-lunch"), 2); }

}  // namespace
}  // namespace palimpsest
