// The tables that a ledger is exported as.

#include <cmath>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>

#include "runtime/durable_file.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;

TEST_F(LedgerIn, AFolderExportsTheSameBytesHoweverTheSweepRan) {
  TemporaryFolder other;
  {
    Ledger ledger = started(folder.path(), planned);
    for (const RunSpec& run : planned.runs) commit(ledger, success(run));
    Ledger again = started(other.path(), planned);
    commit(again, failure(planned.runs[3]));
    for (int i : {3, 1, 2, 0}) {
      commit(again, AttemptStarted{{{planned.runs[i].id, 4, 9, "node7", "cpu", 5, 1e9, 0, attempt(planned.runs[i]).place}}});
      commit(again, success(planned.runs[i], {1, 0.5f}, 4));
    }
  }
  export_csv(Ledger::open_for_reading(folder.path()), folder / "export");
  export_csv(Ledger::open_for_reading(other.path()), other / "export");
  for (const char* name : {"runs.csv", "loss.csv"}) {
    const std::string table = read_file(folder / "export" / name);
    EXPECT_FALSE(table.empty());
    EXPECT_EQ(table, read_file(other / "export" / name));
  }
}

TEST_F(LedgerIn, AFolderExportsTidyTablesWithShortestNumbers) {
  {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, success(planned.runs[0], {0.1f, std::nanf("")}));
  }
  export_csv(Ledger::open_for_reading(folder.path()), folder / "export");
  const RunSpec& run = planned.runs[0];
  const std::string begin = run.id + ",0," + std::to_string(run.image_set) + "," + run.settings.string("planted.condition") + ",loss,";
  EXPECT_EQ(read_file(folder / "export" / "loss.csv"),
            "run,seed,image_set,planted.condition,metric,epoch,value\n" + begin + "0,0.1\n" + begin + "1,nan\n");
}

TEST_F(LedgerIn, AFolderExportsNoFormulaAndNoFileElsewhere) {
  {
    Definition definition = planned.definition;
    definition.grid[0].values = {std::string("=HYPERLINK(\"http://a.example\")")};
    const Planned hostile(definition);
    Ledger ledger = started(folder.path(), hostile);
    RunSucceeded entry = success(hostile.runs[0]);
    entry.result.measurements = {{"../../escape", {{"@axis", {"+cmd|' /C calc'!A0", "-0.5"}}}, {1, 2}}};
    commit(ledger, entry);
    commit(ledger, success(hostile.runs[1]));
  }
  export_csv(Ledger::open_for_reading(folder.path()), folder / "export");
  EXPECT_FALSE(std::filesystem::exists(folder.path().parent_path() / "escape.csv"));
  const std::string table = read_file(folder / "export" / ".._.._escape.csv");
  EXPECT_THAT(table, HasSubstr(",'@axis,value\n"));
  EXPECT_THAT(table, HasSubstr(",\"'=HYPERLINK(\"\"http://a.example\"\")\",../../escape,'+cmd|' /C calc'!A0,1\n"));
  EXPECT_THAT(table, HasSubstr(",-0.5,2\n"));   // a number stays one
}

}  // namespace
}  // namespace palimpsest
