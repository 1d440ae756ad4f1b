// What `palimpsest status` says fits on a screen, and loses nothing that asks for a hand.

#include "launch/sweep_status.h"

#include <gmock/gmock.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace palimpsest {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

SweepStatus large() {
  SweepStatus status;
  status.study = "planted", status.name = "large";
  for (int i = 0; i < 3000; ++i) status.conditions.push_back({fmt::format("effect = {:04}", i), {.done = i < 100 ? 2 : 0, .failed = 0, .waiting = i < 100 ? 0 : 2}});
  status.conditions[2500].second = {.done = 0, .failed = 1, .waiting = 1};
  status.conditions[1700].second = {.done = 1, .failed = 0, .waiting = 1};
  for (int i = 0; i < 400; ++i) status.packs.push_back({i, 2, "node", i, 5});
  for (int i = 0; i < 300; ++i) status.failures[fmt::format("reason {:03}", i)] = {{"abcdefgh", i, "c"}};
  status.failures["often"] = std::vector<FailedRun>(50, {"abcdefgh", 7, "c"});
  return status;
}

TEST(Status, OfAnySweepFitsOnAScreen) {
  const std::string text = status_text(large());
  EXPECT_LE(std::ranges::count(text, '\n'), 50);
  EXPECT_THAT(text, AllOf(HasSubstr("and 2980 conditions more"), HasSubstr("and 392 packs more"), HasSubstr("and 296 reasons more")));
}

TEST(Status, NamesFirstWhatFailedAndWhatIsBegun) {
  const std::string text = status_text(large());
  EXPECT_LT(text.find("effect = 2500"), text.find("effect = 1700"));
  EXPECT_LT(text.find("effect = 1700"), text.find("effect = 0100"));
  EXPECT_THAT(text, AllOf(HasSubstr("failed, 50: often"), Not(HasSubstr("effect = 0000"))));
}

TEST(Status, InJsonIsWhole) {
  const auto json = nlohmann::json::parse(status_json(large()));
  EXPECT_EQ(json["conditions"].size(), 3000u);
  EXPECT_EQ(json["packs"].size(), 400u);
  EXPECT_EQ(json["failures"].size(), 301u);
}

TEST(Status, OfASmallSweepNamesItsConditionsInOrder) {
  SweepStatus status = large();
  status.conditions.resize(20);
  status.conditions[19].second.failed = 1;
  const std::string text = status_text(status);
  EXPECT_LT(text.find("effect = 0000"), text.find("effect = 0019"));
  EXPECT_THAT(text, Not(HasSubstr("conditions more")));
}

}  // namespace
}  // namespace palimpsest
