// The rows of exported tables as JSON lines.

#include "sweeps/export_json_lines.h"

#include <gmock/gmock.h>

#include <cmath>
#include <sstream>

#include <nlohmann/json.hpp>

#include "runtime/durable_file.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

std::vector<std::string> split(const std::string& text, char between) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, between);) parts.push_back(part);
  return parts;
}

// As a cell of a table would show it; what is none as `none`.
std::string cell(const nlohmann::ordered_json& value, const std::string& none) { return value.is_null() ? none : value.is_string() ? value.get<std::string>() : value.dump(); }

struct JsonLines : testing::Test {
  TemporaryFolder folder;
  Planned planned;

  void fill() {
    Ledger ledger = started(folder.path(), planned);
    commit(ledger, success(planned.runs[0], {0.1f, std::nanf("")}));
    RunSucceeded other = success(planned.runs[1]);
    other.result.measurements = {{"loss", {{"layer", {"3"}}}, {-3e20f}}};
    commit(ledger, other);
    commit(ledger, RunFailed{attempt(planned.runs[2]), "not a number"});
  }
  void write() {
    export_csv(Ledger::open_for_reading(folder.path()), folder / "export");
    export_json_lines(Ledger::open_for_reading(folder.path()), folder / "export");
  }
};

TEST_F(JsonLines, HoldTheRowsOfTheTablesInTheirOrder) {
  fill();
  write();
  for (const std::string name : {"runs", "loss"}) {
    const auto rows = split(read_file(folder / "export" / (name + ".csv")), '\n'), lines = split(read_file(folder / "export" / (name + ".jsonl")), '\n');
    ASSERT_THAT(rows, SizeIs(lines.size() + 1));
    const auto columns = split(rows[0], ',');
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto line = nlohmann::ordered_json::parse(lines[i]);
      std::string row;
      for (const auto& [column, value] : line.items()) row += (row.empty() ? "" : ",") + cell(value, column == "value" ? "nan" : "");
      EXPECT_EQ(line.size(), columns.size());
      EXPECT_EQ(row, rows[i + 1]);
    }
  }
}

TEST_F(JsonLines, AreTheseBytes) {
  {
    Ledger ledger = started(folder.path(), planned);
    RunSucceeded one = success(planned.runs[0]);
    one.result.measurements = {{"loss", {{"la\"yer", {"=1\n", "2"}}}, {0.1f, std::numeric_limits<float>::infinity()}}};
    commit(ledger, one);
  }
  write();
  const RunSpec& run = planned.runs[0];
  const std::string begin = "{\"run\":\"" + run.id + "\",\"seed\":" + std::to_string(run.seed) + ",\"image_set\":" + std::to_string(run.image_set) +
                            ",\"planted.condition\":\"" + run.settings.string("planted.condition") + "\",\"metric\":\"loss\",\"la\\\"yer\":";
  EXPECT_THAT(split(read_file(folder / "export" / "loss.jsonl"), '\n'), ElementsAre(begin + R"("=1\n","value":0.1})", begin + R"("2","value":null})"));
}

}  // namespace
}  // namespace palimpsest
