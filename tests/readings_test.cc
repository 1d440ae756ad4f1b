// Measurements are gone through once, by several threads where there are many, and everybody sees those that are theirs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <SQLiteCpp/SQLiteCpp.h>

#include "runtime/error.h"
#include "sweeps/figure_data.h"
#include "tests/made_up_rows.h"
#include "tests/small_ledger.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kEpochs = "training.epochs";

/// Two conditions of so many epochs, of which the k-th measures k.
MadeUpSweep of_epochs(std::int64_t first, std::int64_t second) {
  MadeUpSweep sweep;
  sweep.grid = {{kEpochs, {Value(first), Value(second)}}};
  sweep.image_sets = 3, sweep.seeds = 2;
  sweep.measure = [](const LedgerRun& run, const std::string& metric) {
    Axis epochs{"epoch", {}};
    std::vector<float> values;
    for (std::int64_t k = 1; k <= run.spec.settings.integer(kEpochs); ++k) epochs.labels.push_back(std::to_string(k)), values.push_back(static_cast<float>(k));
    return Measurement{metric, {epochs}, values};
  };
  return sweep;
}

struct Drawn {
  Figure figure;
  int passes = 0;
};

Drawn drawn(const MadeUpSweep& sweep) {
  Drawn out;
  Rows rows = sweep.rows();
  const auto inner = rows.for_each_measurement;
  rows.for_each_measurement = [&](std::span<const LedgerRun> runs, const Takers& takers) { ++out.passes, inner(runs, takers); };
  const FigureConditions conditions = figure_conditions(rows);
  const FigureInfo info{.title = "Loss", .metric = "loss", .x = "epoch", .panel_axis = "", .panels = {}, .at = {}, .split_axis = "", .caption = ""};
  FigureReadings readings(rows, conditions, {info}, {});
  read_together(rows, readings.readings());
  out.figure = readings.figures().at(0);
  return out;
}

TEST(Figures, TakeTheirXFromTheRunThatHasMostPlaces) {
  const Figure figure = drawn(of_epochs(2, 4)).figure;
  EXPECT_THAT(figure.x, ElementsAre("1", "2", "3", "4"));
  ASSERT_EQ(figure.series.size(), 2u);
  EXPECT_EQ(figure.series[0].units.size(), 3u);   // those that had gone by are there again
  EXPECT_THAT(figure.series[0].mean, ElementsAre(1, 2, testing::IsNan(), testing::IsNan()));
  EXPECT_THAT(figure.series[1].mean, ElementsAre(1, 2, 3, 4));
}

TEST(Figures, GoThroughMeasurementsAgainOnlyWhereALongerRunCameLate) {
  EXPECT_EQ(drawn(of_epochs(4, 2)).passes, 1);
  EXPECT_EQ(drawn(of_epochs(2, 4)).passes, 2);
  EXPECT_THAT(drawn(of_epochs(4, 2)).figure.x, ElementsAre("1", "2", "3", "4"));
}

TEST(Figures, OfAMetricThatNoRunHasSaySo) {
  MadeUpSweep sweep = of_epochs(2, 4);
  sweep.measured = [](const LedgerRun&, const std::string&) { return false; };
  EXPECT_THAT(drawn(sweep).figure.problem, HasSubstr("No run has measured loss yet."));
}

constexpr std::int64_t kRuns = 2600, kEvery = 7;   // as many as several threads read; each seventh is not done

struct ManyRuns : testing::Test {
  ManyRuns() {
    std::vector<LedgerEntry> entries;
    for (const RunSpec& run : planned.runs) {
      const auto number = static_cast<float>(numbers_of_runs().at(run.id));
      if (numbers_of_runs().at(run.id) % kEvery == 0) continue;
      RunSucceeded entry = success(run, {number, -number});
      entry.result.measurements.push_back({"gain", {}, {2 * number}});
      entry.result.measurements.push_back({"wide", {{"place", places()}}, std::vector<float>(600, 3 * number)});
      entries.push_back(std::move(entry));
    }
    started(folder.path(), planned).commit(entries);
  }
  static std::vector<std::string> places() {
    std::vector<std::string> labels;
    for (int i = 0; i < 600; ++i) labels.push_back(std::to_string(i));
    return labels;
  }

  TemporaryFolder folder;
  const Planned planned{"study = \"planted\"\nname = \"many\"\n[sweep]\nimage_sets = " + std::to_string(kRuns / 2) +
                        "\nseeds = 1\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n"};
};

TEST_F(ManyRuns, AreReadInTheOrderOfThePlanWhoeverReadsThem) {
  const Ledger ledger = Ledger::open_for_reading(folder.path());
  const auto runs = ledger.runs();
  std::map<std::string, std::vector<std::int64_t>> seen;
  Takers takers;
  for (const auto& [metric, factor] : {std::pair{"loss", 1.0f}, {"gain", 2.0f}, {"wide", 3.0f}}) {
    takers[metric] = [&runs, factor, &order = seen[metric]](std::size_t run, const Measurement& measurement) {
      order.push_back(runs[run].number);
      EXPECT_EQ(measurement.values.front(), factor * static_cast<float>(runs[run].number));
    };
  }
  ledger.for_each_measurement_of(runs, takers);
  std::vector<std::int64_t> expected;
  for (std::int64_t number = 0; number < kRuns; ++number)
    if (number % kEvery != 0) expected.push_back(number);
  for (const char* metric : {"loss", "gain", "wide"}) EXPECT_EQ(seen[metric], expected) << metric;
}

struct ManyRunsWithDamage : ManyRuns, testing::WithParamInterface<std::string> {};

TEST_P(ManyRunsWithDamage, AreNotReadPastARowThatIsNotAsItWasWritten) {
  {
    SQLite::Database db((folder.path() / "ledger.sqlite").string(), SQLite::OPEN_READWRITE);
    db.exec("UPDATE measurements SET numbers = zeroblob(length(numbers)) WHERE rowid = (SELECT max(m.rowid) FROM measurements AS m JOIN metrics ON id = metric "
            "WHERE name = '" + GetParam() + "')");
  }
  const Ledger ledger = Ledger::open_for_reading(folder.path());
  const TakeMeasurement ignore = [](std::size_t, const Measurement&) {};
  const auto read = [&] { ledger.for_each_measurement_of(ledger.runs(), {{"loss", ignore}, {"gain", ignore}, {"wide", ignore}}); };
  EXPECT_THAT(message_of<InputError>(read), HasSubstr("a row of measurements of " + GetParam() + " is not as it was written"));
}
INSTANTIATE_TEST_SUITE_P(OfAnyMetric, ManyRunsWithDamage, testing::Values("loss", "gain", "wide"));

}  // namespace
}  // namespace palimpsest
