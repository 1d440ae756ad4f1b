// The number that a part of a claim makes of a run's measurement.

#include <cmath>
#include <map>
#include <string>

#include <gmock/gmock.h>

#include "runtime/error.h"
#include "sweeps/verdict.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Measurement epochs_by_layers() {
  return {
      "m", {{"epoch", {"0", "20", "100"}}, {"layer", {"0", "1", "2", "3"}}}, {1, 2, 3, 4, 2, 3, 4, 5, 6, 8, 10, 12}};
}

ClaimPart of_layers(const std::string& words) {
  ClaimPart part;
  part.metric = "m";
  part.at = {{"layers", words}};
  return part;
}

TEST(PartValue, AveragesOverTheAxesThatAreNotNamed) {
  ClaimPart part;
  EXPECT_DOUBLE_EQ(part_value(part, epochs_by_layers()), 5);
  EXPECT_DOUBLE_EQ(part_value(of_layers("early"), epochs_by_layers()), (1 + 2 + 2 + 3 + 6 + 8) / 6.0);
  EXPECT_DOUBLE_EQ(part_value(of_layers("first,last"), epochs_by_layers()), (1 + 4 + 2 + 5 + 6 + 12) / 6.0);
}

TEST(PartValue, IsLastMinusFirstForAChange) {
  auto part = of_layers("late");
  part.change_axis = "epoch", part.change_from = "0", part.change_to = "100";
  EXPECT_DOUBLE_EQ(part_value(part, epochs_by_layers()), 7.5);
}

TEST(PartValue, AveragesLogRatiosAfterFormingThemAtEachPlace) {
  auto part = of_layers("early");
  part.change_axis = "epoch", part.change_from = "0", part.change_to = "100", part.log_ratio = true;
  EXPECT_NEAR(part_value(part, epochs_by_layers()), (std::log(6.0) + std::log(4.0)) / 2, 1e-12);
}

TEST(PartValue, IsTheLeastSquaresSlopeForATrend) {
  auto part = of_layers("0");
  part.trend_axis = "epoch";
  // numpy.polyfit([0, 20, 100], [1, 2, 6], 1)[0]
  EXPECT_NEAR(part_value(part, epochs_by_layers()), 0.05, 1e-12);
}

TEST(PartValue, SubtractsTheSameStatisticAtMinus) {
  auto part = of_layers("3");
  part.change_axis = "epoch", part.change_from = "0", part.change_to = "100";
  part.minus = {{"layer", "0"}};
  EXPECT_DOUBLE_EQ(part_value(part, epochs_by_layers()), 8 - 5);
}

TEST(PartValue, NamesTheLabelThatIsNotThere) {
  EXPECT_THAT([] { part_value(of_layers("7"), epochs_by_layers()); },
              ThrowsMessage<InputError>(HasSubstr("\"0\", \"1\", \"2\", \"3\"")));
  auto part = of_layers("0");
  part.trend_axis = "depth";
  EXPECT_THAT([&] { part_value(part, epochs_by_layers()); },
              ThrowsMessage<InputError>(HasSubstr("has no axis \"depth\"")));
}

TEST(PartValue, ReadsTheDefinitionsReadOutUnlessAPartNamesOne) {
  const Measurement measurement{"m", {{"readout", {"cls", "mean"}}}, {1, 2}};
  Settings settings;
  const std::map<std::string, std::string> axis_keys = {{"readout", "slow.readout"}};
  EXPECT_DOUBLE_EQ(run_value({}, settings, measurement, axis_keys), 1.5);
  settings.set("slow.readout", std::string("mean"));
  EXPECT_DOUBLE_EQ(run_value({}, settings, measurement, axis_keys), 2);
  ClaimPart part;
  part.at = {{"readout", "cls"}};
  EXPECT_DOUBLE_EQ(run_value(part, settings, measurement, axis_keys), 1);
}

}  // namespace
}  // namespace palimpsest
