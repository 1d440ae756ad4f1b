#include "sweeps/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/small_definition.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;

TEST(Definition, IsReadAsWritten) {
  const Definition d = read(kFull);
  EXPECT_EQ(d.study, &kPlantedStudy);
  EXPECT_EQ(d.name, "try");
  EXPECT_EQ(d.source, kFull);
  EXPECT_EQ(d.image_sets, 13);
  EXPECT_EQ(d.seeds, 3);
  EXPECT_EQ(d.pack_size, 8);
  EXPECT_EQ(d.base.number("planted.cluster_sd"), 2.0);
  EXPECT_EQ(d.base.integer("planted.steps"), 10);
  ASSERT_EQ(d.grid.size(), 2u);  // in the order of the file, not of the alphabet
  EXPECT_EQ(d.grid[0], (SweepAxis{"planted.effect", {0.5, 1.0}}));
  EXPECT_EQ(d.grid[1], (SweepAxis{"planted.condition", {std::string("b"), std::string("a")}}));
  ASSERT_EQ(d.claims.size(), 1u);
  EXPECT_EQ(d.claims[0].name, "b shifts the score");
  EXPECT_THAT(d.claims[0].each, ElementsAre("planted.effect"));
  EXPECT_EQ(d.claims[0].alpha, 0.05);
  ASSERT_EQ(d.claims[0].parts.size(), 1u);
  const ClaimPart& part = d.claims[0].parts[0];
  EXPECT_EQ(part.metric, "planted.score");
  EXPECT_EQ(part.at, (Selection{{"images", "familiar"}, {"layer", "early"}}));
  EXPECT_EQ(part.change_axis, "epoch");
  EXPECT_EQ(part.change_from, "0");
  EXPECT_EQ(part.change_to, "10");
  EXPECT_FALSE(part.log_ratio);
  EXPECT_EQ(part.minus, (Selection{{"images", "novel"}}));
  EXPECT_EQ(part.treatment, (std::map<std::string, Value>{{"planted.condition", std::string("b")}}));
  EXPECT_EQ(part.baseline, (std::map<std::string, Value>{{"planted.condition", std::string("a")}}));
  EXPECT_EQ(part.direction, Direction::kGreater);
  EXPECT_EQ(part.smallest_effect, 0.02);
}

void expect_equal(const Definition& a, const Definition& b) {
  EXPECT_EQ(a.study, b.study);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.base, b.base);
  EXPECT_EQ(a.image_sets, b.image_sets);
  EXPECT_EQ(a.seeds, b.seeds);
  EXPECT_EQ(a.grid, b.grid);
  EXPECT_EQ(a.claims, b.claims);
  EXPECT_EQ(a.pack_size, b.pack_size);
}

TEST(Definition, ResolvedReadsBackToTheSame) {
  const std::string odd = R"(study = "planted"
name = "tab\t, \"quotes\" and \\ ä"
[planted]
fail_while = "somewhere/\"odd\" name"
noise_sd = 0.1
effect = 1e-300
[sweep.grid]
"planted.skew" = [true, false]
"planted.noise_sd" = [0.1, 1e22, 3]
[[claim]]
name = "two \"parts\""
metric = "planted.score"
at = { layers = ["first", 2, 0.5], images = "familiar" }
treatment = { "planted.noise_sd" = 3, "planted.skew" = true }
direction = "less"
alpha = 0.01
[[claim.part]]
change = { epoch = ["first", 10], as = "log-ratio" }
smallest_effect = 1e-3
[[claim.part]]
trend = "epoch"
baseline = { "planted.noise_sd" = 0.1 }
direction = "greater"
)";
  for (const std::string& source : {kFull, odd, kHead}) {
    const Definition d = read(source);
    const Definition again = read_definition_text(resolved_toml(d), "/elsewhere/resolved.toml");
    expect_equal(d, again);
    EXPECT_EQ(resolved_toml(again), resolved_toml(d));
  }
}

TEST(Definition, ResolvedOfOverridesHoldsTheirValues) {
  const Definition d = read(kFull, {{"planted.steps", "99"}, {"sweep.seeds", "1"}});
  EXPECT_THAT(resolved_toml(d), testing::HasSubstr("\nsteps = 99\n"));
  expect_equal(read(resolved_toml(d)), d);
}

TEST(Definition, HasADefaultForAllButStudyAndName) {
  const Definition d = read(kHead);
  EXPECT_EQ(d.image_sets, 1);
  EXPECT_EQ(d.seeds, 1);
  EXPECT_EQ(d.pack_size, 0);
  EXPECT_TRUE(d.grid.empty());
  EXPECT_TRUE(d.claims.empty());
  EXPECT_EQ(d.base, default_settings(kPlantedStudy.keys));
  EXPECT_EQ(read(kHead + "[packs]\nsize = \"auto\"\n").pack_size, 0);
}

TEST(Definition, TakesAnAxisQuotedDottedOrAsATable) {
  const std::vector<SweepAxis> grid = {{"planted.noise_sd", {0.5, 1.0}}, {"planted.effect", {0.0, 2.0}}};
  EXPECT_EQ(read(kHead + "[sweep.grid]\n\"planted.noise_sd\" = [0.5, 1]\n\"planted.effect\" = [0, 2]\n").grid, grid);
  EXPECT_EQ(read(kHead + "[sweep.grid]\nplanted.noise_sd = [0.5, 1]\nplanted.effect = [0, 2]\n").grid, grid);
  EXPECT_EQ(read(kHead + "[sweep.grid.planted]\nnoise_sd = [0.5, 1]\neffect = [0, 2]\n").grid, grid);
}

TEST(Definition, MakesPathsAbsoluteFromItsFolder) {
  EXPECT_EQ(read(kHead + "[planted]\nfail_while = \"flags/stop\"\n").base.string("planted.fail_while"), "/folder/flags/stop");
}

TEST(Definition, IsOverriddenOnTheCommandLine) {
  const Definition d = read(kFull, {{"name", "5"}, {"planted.steps", "3"}, {"sweep.image_sets", "2"}, {"packs.size", "auto"},
                                    {"sweep.grid.planted.effect", "[7, 0.5]"}});
  EXPECT_EQ(d.name, "5");
  EXPECT_EQ(d.base.integer("planted.steps"), 3);
  EXPECT_EQ(d.image_sets, 2);
  EXPECT_EQ(d.pack_size, 0);
  ASSERT_EQ(d.grid.size(), 2u);
  EXPECT_EQ(d.grid[1], (SweepAxis{"planted.effect", {7.0, 0.5}}));
}

TEST(Definition, GivesPartsTheFieldsOfTheirClaim) {
  const Definition d = read(kHead + R"([[claim]]
name = "both"
metric = "planted.score"
at = { images = "familiar" }
change = { epoch = [0, 10] }
direction = "greater"
smallest_effect = 0.5
[[claim.part]]
[[claim.part]]
metric = "loss"
at = { step = "last" }
trend = "step"
direction = "less"
smallest_effect = 0.1
)");
  const Claim& claim = d.claims.at(0);
  ASSERT_EQ(claim.parts.size(), 2u);
  EXPECT_EQ(claim.parts[0].metric, "planted.score");
  EXPECT_EQ(claim.parts[0].change_to, "10");
  EXPECT_EQ(claim.parts[0].smallest_effect, 0.5);
  EXPECT_EQ(claim.parts[1].metric, "loss");
  EXPECT_EQ(claim.parts[1].at, (Selection{{"step", "last"}}));
  EXPECT_EQ(claim.parts[1].trend_axis, "step");
  EXPECT_EQ(claim.parts[1].change_axis, "");  // a part goes one course: its own
  EXPECT_EQ(claim.parts[1].direction, Direction::kLess);
  EXPECT_EQ(claim.parts[1].smallest_effect, 0.1);
}

TEST(Definition, AClaimsHashIsOfWhatItSaysAndNotOfItsName) {
  const auto hash = [](const std::string& from, const std::string& to) {
    std::string text = kFull;
    if (!from.empty()) text.replace(text.find(from), from.size(), to);
    return read(text).claims.at(0).hash;
  };
  const std::string as_written = hash("", "");
  EXPECT_EQ(as_written.size(), 32u);
  EXPECT_EQ(hash("b shifts the score", "another name"), as_written);
  EXPECT_EQ(hash("{ epoch = [0, 10] }", "{epoch=[\"0\",10]}"), as_written);
  EXPECT_EQ(hash("layers =", "layer ="), as_written);
  EXPECT_NE(hash("\"greater\"", "\"less\""), as_written);
  EXPECT_NE(hash("0.02", "0.03"), as_written);
  EXPECT_NE(hash("[0, 10]", "[0, 5]"), as_written);
  EXPECT_NE(hash("each = [\"planted.effect\"]", ""), as_written);
  EXPECT_NE(hash("direction", "alpha = 0.01\ndirection"), as_written);
}

TEST(Definition, TakesFromAnIncludedFileWhatItDoesNotSayItself) {
  const TemporaryFolder folder;
  std::ofstream(folder / "common.toml") << "study = \"planted\"\nname = \"common\"\n[planted]\nnoise_sd = 0.5\neffect = 3\n[sweep]\nseeds = 7\n";
  const Definition d = read_definition_text("include = \"common.toml\"\nname = \"own\"\n[planted]\neffect = 4\n", folder / "own.toml");
  EXPECT_EQ(d.name, "own");
  EXPECT_EQ(d.seeds, 7);
  EXPECT_EQ(d.base.number("planted.noise_sd"), 0.5);
  EXPECT_EQ(d.base.number("planted.effect"), 4);
}

TEST(Definition, ThatIsMissingIsNamed) {
  EXPECT_THROW(read_definition("/no/such/file.toml"), InputError);
}

TEST(Definition, ShippedPlantedOneIsRead) {
  const Definition d = read_definition(PALIMPSEST_ROOT "/sweeps/definitions/planted.toml");
  EXPECT_EQ(d.claims.size(), 2u);
  EXPECT_EQ(d.image_sets, 13);
}

}  // namespace
}  // namespace palimpsest
