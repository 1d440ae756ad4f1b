// A sweep over folders that move while it is half done.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "sweeps/ledger_check.h"
#include "sweeps/rows.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

/// Reads images.path, which holds what its last letter says.
const Study& reader() {
  static const Study study = [] {
    Study one;
    one.name = "reader";
    one.unit = "image_set";
    one.keys = {{.name = "images.path", .type = KeyType::kPath, .default_value = std::string("/photos/a"), .meaning = "Images."}};
    one.metrics = {{"loss", {"epoch"}, "", ""}};
    one.inspect = [](const Settings& settings, std::int64_t set, std::int64_t) {
      return Inputs{{{"images", settings.string("images.path").substr(settings.string("images.path").size() - 1) + std::to_string(set)}}};
    };
    one.signature = [](const Settings&) { return std::string(); };
    one.probe_memory = [](const RunSpec&) { return std::uint64_t{1}; };
    return one;
  }();
  return study;
}

Planned over(const std::string& folder) {
  add_study(reader());
  return Planned("study = \"reader\"\nname = \"moved\"\n[sweep]\nimage_sets = 2\n[sweep.grid]\n\"images.path\" = [\"" + folder + "/a\", \"" + folder + "/b\"]\n");
}

std::map<std::string, int> runs_of_paths(const Ledger& ledger) {
  std::map<std::string, int> runs;
  for (const LedgerRun& run : rows_of(ledger, reader()).runs) ++runs[run.spec.settings.string("images.path")];
  return runs;
}

struct AMovedFolder : testing::Test {
  TemporaryFolder folder;
};

TEST_F(AMovedFolder, LeavesRunsFromBeforeAndAfterInOneCell) {
  const Planned early = over("/photos");
  {
    Ledger ledger = started(folder.path(), early);
    for (std::size_t i = 0; i < 2; ++i) commit(ledger, AttemptStarted{{attempt(early.runs[i])}}), commit(ledger, success(early.runs[i]));
  }
  const Planned late = over("/archive");
  {
    Ledger ledger = started(folder.path(), late);
    EXPECT_EQ(text(ledger, late), "0 done\n1 done\n2 waiting\n3 waiting\n");
    for (std::size_t i = 2; i < 4; ++i) commit(ledger, AttemptStarted{{attempt(late.runs[i])}}), commit(ledger, success(late.runs[i]));
  }
  EXPECT_EQ(runs_of_paths(Ledger::open_for_reading(folder.path())), (std::map<std::string, int>{{"/archive/a", 2}, {"/archive/b", 2}}));
  EXPECT_THAT(check_ledger(folder.path()).findings, testing::IsEmpty());
}

TEST_F(AMovedFolder, LeavesRunsAloneThatAreNoLongerAskedFor) {
  const Planned early = over("/photos");
  {
    Ledger ledger = started(folder.path(), early);
    for (const RunSpec& run : early.runs) commit(ledger, AttemptStarted{{attempt(run)}}), commit(ledger, success(run));
  }
  const Planned late("study = \"reader\"\nname = \"moved\"\n[sweep]\nimage_sets = 2\n[sweep.grid]\n\"images.path\" = [\"/archive/a\"]\n");
  const Ledger ledger = started(folder.path(), late);
  std::set<std::string> paths;
  for (const LedgerRun& run : ledger.runs(true)) paths.insert(run.spec.settings.string("images.path"));
  EXPECT_EQ(paths, (std::set<std::string>{"/archive/a", "/photos/b"}));
}

}  // namespace
}  // namespace palimpsest
