// A disk that fails or is full at the n-th write, fsync or rename, once or from then on: the sweep ends with a sentence and code 3, and the
// same command goes on to the tables it would have left. A commit is its writes and its fsync.
//
// The disk fails at a few places of each kind; at all of them where PALIMPSEST_FAULTS is "all".

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "runtime/durable_file.h"
#include "sweeps/ledger.h"
#include "sweeps/ledger_check.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

struct Kind {
  const char* name;
  const char* error;
  const char* how;
};

struct AFailingDisk : testing::TestWithParam<Kind> {
  TemporaryFolder folder;
  std::filesystem::path results = folder / "out";

  // Runs of no time, few in a pack, so that commits are many and small; saved at each step.
  std::string definition() {
    const auto file = folder / "sweep.toml";
    std::ofstream(file) << "study = \"planted\"\nname = \"failing\"\n[planted]\nsteps = 2\n[packs]\nsize = 2\nsnapshot_every = 0\n[sweep]\nimage_sets = 3\nseeds = 2\n";
    return file;
  }
  int sweep(const std::filesystem::path& out, const std::string& fault) {
    std::filesystem::remove(folder / "log");
    return Process(palimpsest_command(0, {"sweep", definition(), "--out", out}), folder / "log",
                   {{{"LD_PRELOAD", PALIMPSEST_FAILING_DISK}, {"PALIMPSEST_FAULT", fault}, {"PALIMPSEST_FAULT_FOLDER", std::filesystem::weakly_canonical(out)},
                     {"PALIMPSEST_FAULT_COUNTS", folder / "counts"}}, false, 0}).wait();
  }
  long calls_of(const std::string& kind) {
    std::ifstream in(folder / "counts");
    std::string name;
    for (long count = 0; in >> name >> count;)
      if (name == kind) return count;
    return 0;
  }
};

std::vector<long> places(long calls) {
  const char* text = std::getenv("PALIMPSEST_FAULTS");
  const long step = text && std::string(text) == "all" ? 1 : std::max(1L, calls / 2);
  std::vector<long> out;
  for (long n = 1; n <= calls; n += step) out.push_back(n);
  return out;
}

TEST_P(AFailingDisk, EndsTheSweepWithASentenceAndTheSameCommandGoesOn) {
  ASSERT_EQ(sweep(folder / "whole", "none"), 0) << read_file(folder / "log");
  const long calls = calls_of(GetParam().name);
  ASSERT_GT(calls, 0);
  int ended = 0, went_through = 0;
  for (const long n : places(calls)) {
    std::filesystem::remove_all(results);
    const std::string fault = std::string(GetParam().name) + " " + std::to_string(n) + " " + GetParam().error + " " + GetParam().how;
    const int code = sweep(results, fault);
    const std::string said = read_file(folder / "log");
    EXPECT_THAT(code, AnyOf(0, 3)) << fault << ": " << said;
    if (code != 0) EXPECT_THAT(said, AnyOf(HasSubstr("disk is full"), HasSubstr("disk failed"))) << fault;
    ++(code == 0 ? went_through : ended);
    ASSERT_EQ(sweep(results, "none"), 0) << fault << ": " << read_file(folder / "log");
    EXPECT_EQ(exported(results), exported(folder / "whole")) << fault;
    EXPECT_THAT(check_ledger(results).findings, IsEmpty()) << fault;
  }
  std::printf("%s fails with %s, %s: %d of %ld places tried, %d ended with code 3, %d went through (a line of the log)\n", GetParam().name, GetParam().error,
              GetParam().how, ended + went_through, calls, ended, went_through);
  EXPECT_GT(ended, 0);
}

INSTANTIATE_TEST_SUITE_P(Each, AFailingDisk,
                         testing::ValuesIn([] {
                           std::vector<Kind> kinds;
                           for (const char* call : {"write", "fsync", "rename"})
                             for (const char* error : {"ENOSPC", "EIO"})
                               for (const char* how : {"once", "ever"}) kinds.push_back({call, error, how});
                           return kinds;
                         }()),
                         [](const auto& kind) { return std::string(kind.param.name) + kind.param.error + kind.param.how; });

// A real one: a file system of some hundred kilobytes, in a mount namespace of its own.
struct AFullDisk : testing::Test {
  TemporaryFolder folder;

  void SetUp() override {
    std::filesystem::create_directories(folder / "disk");
    if (in_namespace("exit 0") != 0) GTEST_SKIP() << "this machine lets no test mount a file system of its own (unshare -m, mount -t tmpfs): " << read_file(folder / "log");
  }
  int in_namespace(const std::string& script) {
    std::filesystem::remove(folder / "log");
    const std::string all = "mount -t tmpfs -o size=700k none \"" + (folder / "disk").string() + "\" || exit 99\n" + script;
    return Process({"/usr/bin/env", "unshare", "-m", "/bin/sh", "-c", all}, folder / "log", {{{"P", PALIMPSEST_PROGRAM_FILE}, {"D", folder / "disk"}, {"F", folder.path()}}, false, 0}).wait();
  }
  void write_definition(int image_sets) {
    std::ofstream(folder / "sweep.toml") << "study = \"planted\"\nname = \"full\"\n[planted]\nsize = 500\n[packs]\nsize = 2\n[sweep]\nimage_sets = " << image_sets << "\nseeds = 2\n";
  }
  std::string said() { return read_file(folder / "log"); }
};

TEST_F(AFullDisk, UnderTheLedgerEndsTheSweepWhichGoesOnWithMoreRoom) {
  write_definition(40);
  const int code = in_namespace(
      "$P sweep $F/sweep.toml --out $D/out; code=$?; echo first ended with $code; [ $code = 3 ] || exit 1\n"
      "$P status $D/out || exit 4\n"
      "mount -o remount,size=20m $D; $P sweep $F/sweep.toml --out $D/out || exit 2\n"
      "$P ledger check $D/out || exit 5\n"
      "$P export $D/out --out $F/after || exit 3\n");
  ASSERT_EQ(code, 0) << said();
  EXPECT_THAT(said(), HasSubstr("the disk is full"));
  ASSERT_EQ(Process(palimpsest_command(0, {"sweep", folder / "sweep.toml", "--out", folder / "whole"}), folder / "whole.log").wait(), 0);
  export_csv(Ledger::open_for_reading(folder / "whole"), folder / "before");
  for (const char* table : {"runs.csv", "planted.score.csv", "loss.csv"}) EXPECT_EQ(read_file(folder / "before" / table), read_file(folder / "after" / table));
}

TEST_F(AFullDisk, UnderTheReportAndTheExportIsToldAndLeavesNoHalfFile) {
  write_definition(10);
  ASSERT_EQ(Process(palimpsest_command(0, {"sweep", folder / "sweep.toml", "--out", folder / "out"}), folder / "whole.log").wait(), 0);
  const int code = in_namespace(
      "head -c 600k /dev/zero > $D/filling\n"
      "mkdir $D/out && cp $F/out/ledger.sqlite $F/out/resolved.toml $D/out 2>/dev/null\n"
      "$P export $F/out --out $D/tables; code=$?; [ $code = 3 ] || exit 1\n"
      "ls $D/tables | grep -q part && exit 2\n"
      "$P report $F/out --out $D/report; code=$?; [ $code = 3 ] || exit 3\n"
      "[ ! -e $D/report/report.html ] || exit 4\n");
  EXPECT_EQ(code, 0) << said();
}

}  // namespace
}  // namespace palimpsest
