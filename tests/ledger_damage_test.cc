// A ledger that was cut, overwritten or lost a bit: it is found, or it is harmless. Never a crash, never other numbers without a word.
//
// PALIMPSEST_DAMAGES ledgers are damaged (40 without it), each by a visible seed; what came of them is printed.

#include <gmock/gmock.h>
#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "runtime/durable_file.h"
#include "runtime/random_stream.h"
#include "sweeps/ledger.h"
#include "sweeps/ledger_check.h"
#include "sweeps/plan.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::string kDefinition = R"(
study = "planted"
name = "damaged"
[sweep]
image_sets = 6
seeds = 3
[sweep.grid]
"planted.condition" = ["a", "b"]
[[claim]]
name = "b scores higher"
metric = "planted.score"
treatment = { "planted.condition" = "b" }
baseline = { "planted.condition" = "a" }
direction = "greater"
)";

int damages_wanted() {
  const char* text = std::getenv("PALIMPSEST_DAMAGES");
  return text ? std::atoi(text) : 40;
}

RunSucceeded success(const RunSpec& run, std::int64_t place) {
  RunSucceeded entry{{run.id, 1, 1, "node1", "cpu", 0, 100, 107, place}, {}};
  kPlantedStudy.run_pack({run}, {[&](RunResult result) { entry.result = std::move(result); }, {}, {}, false});
  return entry;
}

constexpr std::size_t kPack = 4;

// 36 runs, packs of four: 30 done, two failed, four wait.
void fill(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const Definition definition = read_definition_text(kDefinition, "damaged.toml");
  const Plan plan(definition);
  std::vector<RunSpec> runs;
  for (std::int64_t i = 0; i < plan.size(); ++i) runs.push_back(plan.run_at(i));
  Ledger ledger = Ledger::open_for_writing(folder);
  ledger.record_definition(plan, RunSet::below(plan.size()), {{"host", "node1"}});
  for (std::size_t first = 0; first < 32; first += kPack) {
    AttemptStarted started;
    std::vector<LedgerEntry> entries(1);
    for (std::size_t i = first; i < first + kPack; ++i) {
      const Attempt attempt{runs[i].id, 1, 1 + static_cast<std::int64_t>(i / kPack), "node1", "cpu", 0, 100, 0, static_cast<std::int64_t>(i)};
      started.members.push_back(attempt);
      entries.push_back(i < 30 ? LedgerEntry(success(runs[i], attempt.place)) : LedgerEntry(RunFailed{attempt, "not a number"}));
    }
    entries[0] = std::move(started);
    ledger.commit(entries);
  }
}

std::string tables_of(const std::filesystem::path& folder) {
  const TemporaryFolder out;
  const Ledger ledger = Ledger::open_for_reading(folder);
  export_csv(ledger, out.path());
  std::string text;
  for (const char* table : {"runs.csv", "loss.csv", "planted.score.csv"}) text += table + std::string("\n") + (std::filesystem::exists(out / table) ? read_file(out / table) : "");
  for (const LedgerClaim& claim : ledger.claims()) text += claim.claim.name + (claim.exploratory ? " exploratory\n" : "\n");
  return text;
}

// The same as a report reads it: runs, then some metrics of those that are done.
std::string readings_of(const std::filesystem::path& folder) {
  const Ledger ledger = Ledger::open_for_reading(folder);
  const auto axes = ledger.axes();
  const auto runs = ledger.runs_with({axes.begin(), axes.end()});
  std::vector<std::string> lines(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) lines[i] = fmt::format("{} {} {}", runs[i].spec.id, runs[i].number, static_cast<int>(runs[i].state));
  ledger.for_each_measurement_of(runs, {{"planted.score", [&](std::size_t run, const Measurement& measurement) {
                                           for (const float value : measurement.values) lines[run] += fmt::format(" {}", value);
                                         }}});
  for (const LedgerClaim& claim : ledger.claims()) lines.push_back(claim.claim.name);
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (line.find(",waiting") == std::string::npos) lines.insert(line);
  return lines;
}

// One of the ways in which files are damaged.
std::string damage(std::string& bytes, const RandomStream& random) {
  const auto place = [&](std::uint64_t draw) { return static_cast<std::size_t>(random.below(draw, bytes.size())); };
  switch (random.below(0, 6)) {
    case 0: {
      const auto size = place(1);
      bytes.resize(size);
      return "cut to " + std::to_string(size) + " bytes";
    }
    case 1: {   // a lost write
      const auto page = place(1) / 4096 * 4096;
      bytes.replace(page, 4096, 4096, '\0');
      return "page at " + std::to_string(page) + " zeroed";
    }
    case 2: {   // a write that went elsewhere
      const auto from = place(1) / 4096 * 4096, to = place(2) / 4096 * 4096;
      bytes.replace(to, 4096, bytes.substr(from, 4096));
      return "page at " + std::to_string(from) + " written to " + std::to_string(to);
    }
    case 3: {
      const auto at = place(1), size = std::min<std::size_t>(bytes.size() - at, 1 + random.below(2, 600));
      for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(random.below(3 + i, 256));
      return std::to_string(size) + " bytes at " + std::to_string(at) + " overwritten";
    }
    default: {
      const auto at = place(1);
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(2, 8)));
      return "a bit at " + std::to_string(at) + " flipped";
    }
  }
}

struct ADamagedLedger : testing::Test {
  TemporaryFolder folder;
  std::string whole, tables, readings;

  void SetUp() override {
    fill(folder / "whole");
    whole = read_file(folder / "whole" / "ledger.sqlite");
    tables = tables_of(folder / "whole");
    readings = readings_of(folder / "whole");
  }
  std::filesystem::path damaged(const std::string& bytes) {
    const auto out = folder / "damaged";
    std::filesystem::remove_all(out);
    std::filesystem::create_directories(out);
    std::ofstream(out / "ledger.sqlite", std::ios::binary) << bytes;
    return out;
  }
  // Nothing where reading refused.
  static std::optional<std::string> read(std::string (*how)(const std::filesystem::path&), const std::filesystem::path& from) {
    try {
      return how(from);
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  static std::optional<std::string> exported(const std::filesystem::path& from) { return read(tables_of, from); }
  bool other_without_a_word(const std::filesystem::path& from) const { return exported(from).value_or(tables) != tables || read(readings_of, from).value_or(readings) != readings; }
  // Whether anything could be saved. What is saved is whole and as it was.
  bool salvaged(const std::filesystem::path& from) {
    const auto out = folder / "saved";
    std::filesystem::remove_all(out);
    std::filesystem::create_directories(out);
    try {
      const Salvage saved = salvage_ledger(from, out);
      if (saved.runs == 0) return false;
    } catch (const Error&) {
      return false;
    }
    EXPECT_THAT(check_ledger(out).findings, testing::Each(HasSubstr("the fact ")));   // at most a fact of the sweep is lost
    const auto text = exported(out);
    if (!text) return false;   // a fact of the sweep is lost, which the next `sweep` puts back
    const auto before = lines_of(tables);
    for (const std::string& line : lines_of(*text)) EXPECT_TRUE(before.contains(line)) << line;
    return true;
  }
};

TEST_F(ADamagedLedger, IsFoundOrHarmless) {
  int found = 0, harmless = 0, refused = 0, saved = 0, silent = 0;
  const int wanted = damages_wanted();
  for (int i = 0; i < wanted; ++i) {
    std::string bytes = whole;
    const std::string what = damage(bytes, RandomStream(2025).child(static_cast<std::uint64_t>(i)));
    const auto from = damaged(bytes);
    const LedgerHealth health = check_ledger(from);
    const auto text = exported(from);
    if (health.findings.empty()) {
      ++harmless;
      ASSERT_TRUE(text) << what;
      EXPECT_EQ(*text, tables) << what << ": other numbers, and nothing was found";
      continue;
    }
    ++found;
    refused += !text;
    const bool other = other_without_a_word(from);
    EXPECT_FALSE(other) << what << ": other numbers without a word, seed " << i;
    silent += other;
    saved += salvaged(from);
  }
  std::printf("%d damaged ledgers: %d found by ledger check, %d harmless; reading refused %d of those found and gave other tables without a word %d times; "
              "salvage saved runs from %d\n", wanted, found, harmless, refused, silent, saved);
  EXPECT_EQ(found + harmless, wanted);
}

// Seals tell of rows that are read, and SQLite of pages that have no sense. A page of another table's or index's has, and rows are only not found.
TEST_F(ADamagedLedger, TellsWhereTheFirstPageOfATableOrIndexIsThatOfAnother) {
  std::vector<std::int64_t> pages;
  {
    const SQLite::Database db(folder / "whole" / "ledger.sqlite");
    SQLite::Statement row(db, "SELECT rootpage FROM sqlite_master WHERE rootpage > 0");
    while (row.executeStep()) pages.push_back(row.getColumn(0).getInt64());
  }
  ASSERT_GT(pages.size(), 12u);
  for (const std::int64_t from : pages)
    for (const std::int64_t to : pages) {
      std::string bytes = whole;
      bytes.replace(static_cast<std::size_t>(to - 1) * 4096, 4096, whole.substr(static_cast<std::size_t>(from - 1) * 4096, 4096));
      EXPECT_FALSE(other_without_a_word(damaged(bytes))) << "page " << from << " written over " << to;
    }
}

TEST_F(ADamagedLedger, TellsOfARowThatItsPageDoesNotCount) {
  for (const char* table : {"runs", "measurements", "metrics", "claims", "meta", "settings", "inputs", "shapes", "runs_asked", "sqlite_autoindex_measurements_1"}) {
    SQLite::Database db(folder / "whole" / "ledger.sqlite");
    const auto page = static_cast<std::size_t>(db.execAndGet("SELECT rootpage FROM sqlite_master WHERE name = '" + std::string(table) + "'").getInt64() - 1) * 4096;
    std::string bytes = whole;
    const std::size_t cells = page + 3;   // of a b-tree page's header: two bytes, the higher first
    ASSERT_GT(bytes[cells + 1], 0) << table;
    --bytes[cells + 1];
    EXPECT_FALSE(other_without_a_word(damaged(bytes))) << table;
    EXPECT_THAT(check_ledger(damaged(bytes)).findings, testing::Not(IsEmpty())) << table;
  }
}

TEST_F(ADamagedLedger, MayHaveARowOfAnyNumber) {
  for (const char* row : {"-1", "1152921504606846976", "9223372036854775807"}) {
    const auto from = damaged(whole);
    SQLite::Database(from / "ledger.sqlite", SQLite::OPEN_READWRITE).exec("UPDATE runs SET row = " + std::string(row) + " WHERE row = 1");
    EXPECT_THROW(Ledger::open_for_reading(from).metrics(), InputError) << row;
    SQLite::Database(from / "ledger.sqlite", SQLite::OPEN_READWRITE).exec("UPDATE measurements SET run = " + std::string(row) + " WHERE run = 1");
    EXPECT_THROW(Ledger::open_for_reading(from).metrics(), InputError) << row;
  }
}

TEST_F(ADamagedLedger, TellsOfEveryBitOfANumber) {
  const Ledger ledger = Ledger::open_for_reading(folder / "whole");
  const auto run = ledger.runs().front().spec.id;
  const auto numbers = ledger.measurements_of(run).front().values;
  const std::string_view blob(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
  const auto at = whole.find(blob);
  ASSERT_NE(at, std::string::npos);
  for (std::size_t bit = 0; bit < 8 * sizeof(float); ++bit) {
    std::string bytes = whole;
    bytes[at + bit / 8] = static_cast<char>(bytes[at + bit / 8] ^ (1 << bit % 8));
    const auto from = damaged(bytes);
    EXPECT_THAT(check_ledger(from).findings, testing::Contains(HasSubstr("is not as it was written"))) << bit;
    EXPECT_FALSE(exported(from)) << bit;
  }
}

TEST_F(ADamagedLedger, ThatIsWholeHasNoFindings) {
  const LedgerHealth health = check_ledger(folder / "whole");
  EXPECT_THAT(health.findings, IsEmpty());
  EXPECT_EQ(health.runs, 36);
  EXPECT_EQ(health.done, 30);
  EXPECT_EQ(health.measurements, 60);
}

TEST_F(ADamagedLedger, ThatIsWholeIsSavedWhole) {
  ASSERT_TRUE(salvaged(folder / "whole"));
  EXPECT_EQ(tables_of(folder / "saved"), tables);
}

TEST_F(ADamagedLedger, GivesUpResultsThatShareARowThatIsNotAllThere) {
  const auto run = Ledger::open_for_reading(folder / "whole").runs().front().spec.id;
  const auto numbers = Ledger::open_for_reading(folder / "whole").measurements_of(run).front().values;
  std::string bytes = whole;
  bytes[bytes.find(std::string_view(reinterpret_cast<const char*>(numbers.data()), 16))] ^= 1;
  std::filesystem::create_directories(folder / "saved");
  const Salvage saved = salvage_ledger(damaged(bytes), folder / "saved");
  EXPECT_EQ(saved.run_again, 4);
  EXPECT_EQ(saved.done, 26);
  EXPECT_THAT(check_ledger(folder / "saved").findings, IsEmpty());
}

// Without what runs read, or the definition, the numbers of runs mean nothing.
TEST_F(ADamagedLedger, ThatLostWhatItsPlanIsMadeFromIsSavedAsOneThatAsksForNothingYet) {
  const Plan plan(read_definition_text(kDefinition, "damaged.toml"));
  for (const char* lost : {"inputs", "definition"}) {
    const auto from = damaged(whole), to = folder / lost;
    SQLite::Database(from / "ledger.sqlite", SQLite::OPEN_READWRITE).exec(std::string("UPDATE meta SET value = 'other' WHERE key = '") + lost + "'");
    std::filesystem::create_directories(to);
    EXPECT_EQ(salvage_ledger(from, to).done, 30);
    EXPECT_FALSE(Ledger::open_for_reading(to).has_definition()) << lost;
    EXPECT_EQ(Ledger::open_for_reading(to).runs().size(), 32u) << "those that were handed out";
    Ledger::open_for_writing(to).record_definition(plan, RunSet::below(plan.size()), {{"host", "node1"}});
    EXPECT_EQ(tables_of(to), tables);
  }
}

TEST_F(ADamagedLedger, KeepsWhatTheOthersMeasuredWhereTheRowOfARunIsLost) {
  const LedgerRun run = Ledger::open_for_reading(folder / "whole").runs().front();
  std::string bytes = whole;
  bytes[bytes.find(run.spec.id)] ^= 1;
  std::filesystem::create_directories(folder / "saved");
  const auto from = damaged(bytes);
  EXPECT_THAT(check_ledger(from).findings, testing::Contains(HasSubstr("runs: the row of ")));
  EXPECT_EQ(salvage_ledger(from, folder / "saved").done, 29);
  EXPECT_THAT(check_ledger(folder / "saved").findings, IsEmpty());
  const auto before = lines_of(tables);
  for (const std::string& line : lines_of(tables_of(folder / "saved"))) EXPECT_TRUE(before.contains(line)) << line;
}

}  // namespace
}  // namespace palimpsest
