#include "sweeps/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

#include "sweeps/claim_fields.h"
#include "sweeps/key_places.h"
#include "sweeps/key_text.h"
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

// own.toml includes sub/base.toml.
class Included : public testing::Test {
 protected:
  Definition read_with(const std::string& base, const std::string& own = "", std::vector<Override> overrides = {}) {
    std::filesystem::create_directories(folder_ / "sub");
    std::ofstream(folder_ / "sub" / "base.toml") << base;
    return read_definition_text("study = \"planted\"\ninclude = \"sub/base.toml\"\nname = \"own\"\n" + own, folder_ / "own.toml", overrides);
  }
  std::string path(const char* inner) { return (folder_ / inner).string(); }

  TemporaryFolder folder_;
};

TEST_F(Included, PathsAreRelativeToTheFileTheyStandIn) {
  static const Study study = [] {   // with a path and a list of paths that can be swept
    Study s = kPlantedStudy;
    s.name = "of paths";
    s.keys.push_back({.name = "slow.file", .type = KeyType::kPath, .default_value = std::string(), .meaning = "."});
    s.keys.push_back({.name = "slow.files", .type = KeyType::kPaths, .default_value = std::vector<std::string>(), .meaning = "."});
    return s;
  }();
  add_study(study);
  const Definition d = read_with("[planted]\nfail_while = \"flag\"\n[slow]\nfiles = [\"a\", \"b\"]\n[sweep.grid]\n\"slow.file\" = [\"w.safetensors\"]\n", "",
                                 {{"study", "of paths"}});
  EXPECT_EQ(d.base.string("planted.fail_while"), path("sub/flag"));
  EXPECT_EQ(d.base.strings("slow.files"), (std::vector{path("sub/a"), path("sub/b")}));
  EXPECT_EQ(d.grid.at(0).values, std::vector<Value>{path("sub/w.safetensors")});
}

TEST_F(Included, MistakesNameTheFileTheyStandIn) {
  try {
    read_with("[planted]\n\nstps = 3\nskew = 3\n", "foo = 1\n", {{"planted.noise_sd", "x"}});
    FAIL();
  } catch (const DefinitionError& error) {
    const auto& said = error.mistakes();
    ASSERT_EQ(said.size(), 4u) << error.what();
    EXPECT_EQ(said[0].find(path("own.toml:4:1: unknown key foo.")), 0u) << said[0];
    EXPECT_EQ(said[1].find(path("sub/base.toml:3:1: unknown key planted.stps.")), 0u) << said[1];
    EXPECT_EQ(said[2].find(path("sub/base.toml:4:8: planted.skew = 3")), 0u) << said[2];
    EXPECT_EQ(said[3].find("--set planted.noise_sd=x: "), 0u) << said[3];
  }
}

TEST(Definition, KnowsWhereItsKeysAndTheirValuesStand) {
  const Definition d = read(kHead + "[planted]\nsize = 7\n[sweep.grid]\n\"planted.effect\" = [0, 2]\n[[sweep.zip]]\n\"planted.steps\" = [3,\n4]\n");
  EXPECT_EQ(place_of(d, "planted.size", std::int64_t{7}), "/folder/try.toml:4:8");
  EXPECT_EQ(place_of(d, "planted.effect", 2.0), "/folder/try.toml:6:24");
  EXPECT_EQ(place_of(d, "planted.steps", std::int64_t{4}), "/folder/try.toml:9:1");
  EXPECT_EQ(place_of(d, "planted.noise_sd", 0.5), "/folder/try.toml");
}

TEST(Definition, AnOverrideOfAKeyInAnAblationIsItsBaseCondition) {
  const Definition d = read(kHead + "[[sweep.ablation]]\n\"planted.effect\" = [1, 2]\n", {{"planted.effect", "7"}});
  EXPECT_EQ(d.bundles.at(0).axes.at(0).values, (std::vector<Value>{7.0, 1.0, 2.0}));
}

TEST(Definition, AnAxisOfTheCommandLineReplacesThatOfTheFileHoweverItIsSwept) {
  const Definition zipped = read(kHead + "[sweep.zip]\n\"planted.effect\" = [1, 2]\n", {{"sweep.zip.planted.effect", "[5]"}});
  EXPECT_EQ(zipped.bundles.at(0).axes.at(0).values, std::vector<Value>{5.0});
  const Definition drawn = read(kHead + "[sweep.random]\ncount = 3\n\"planted.effect\" = { uniform = [0, 1] }\n", {{"sweep.random.planted.effect", "{ choice = [5] }"}});
  EXPECT_EQ(drawn.bundles.at(0).axes.at(0).values, std::vector<Value>{5.0});
}

/// What init writes after "# [[claim]]" up to an empty line, without its comment signs; of change and trend, which exclude each other, change.
std::string claim_of_init() {
  const std::string text = commented_definition(kPlantedStudy.keys, &kPlantedStudy);
  std::istringstream from(text.substr(text.find("# [[claim]]")));
  std::string out;
  for (std::string line; std::getline(from, line) && !line.empty();)
    if (!line.starts_with("# trend")) out += line.substr(2) + "\n";
  return out;
}

TEST(Init, WritesAClaimWithEveryFieldThatReadsWhereItsKeysAreSwept) {
  const Definition d = read(kHead + "[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n\"planted.effect\" = [0, 1]\n" + claim_of_init());
  ASSERT_EQ(d.claims.size(), 1u);
  EXPECT_EQ(d.claims[0].each, std::vector<std::string>{"planted.effect"});
  EXPECT_EQ(d.claims[0].parts.at(0).change_to, "10");
  const std::string text = commented_definition(kPlantedStudy.keys, &kPlantedStudy);
  for (const ClaimField& field : claim_fields(kPlantedStudy)) EXPECT_NE(text.find(field.meaning), std::string::npos) << field.name;
}

TEST(Init, WritesEveryKeyOfASweepInWordsThatEndOnce) {
  const std::string text = commented_definition(kPlantedStudy.keys, &kPlantedStudy);
  for (const char* key : {"include = ", "image_sets = 13", "seeds = 3", "max_runs = 1000000", "ablation_pairs = false", "# until = ", "# max = 40", "# batch = 5",
                          "# width = 0.0", "# [packs]", "# size = \"auto\"", "# snapshot_every = 300.0", "# [cost]", "# device_hour = ", "# currency = \"USD\""})
    EXPECT_NE(text.find(key), std::string::npos) << key;
  for (const char* slip : {"..", ".;"}) {
    const auto at = text.find(slip);
    if (at != std::string::npos && text.substr(at, 3) != "...") ADD_FAILURE() << text.substr(at < 60 ? 0 : at - 60, 70);
  }
  const Definition d = read(text);
  EXPECT_EQ(d.base, default_settings(kPlantedStudy.keys));
  EXPECT_EQ(d.image_sets, 13);
}

TEST(Schema, KnowsEveryKeyOfASweepAndEveryFieldOfAClaim) {
  const auto properties = definition_schema(kPlantedStudy.keys, &kPlantedStudy)["properties"];
  for (const char* key : {"image_sets", "seeds", "max_runs", "ablation_pairs", "grid", "zip", "random", "ablation", "exclude"})
    EXPECT_TRUE(properties["sweep"]["properties"].contains(key)) << key;
  for (const char* key : {"until", "min", "max", "batch", "width"}) EXPECT_TRUE(properties["replicate"]["properties"].contains(key)) << key;
  EXPECT_EQ(properties["packs"]["properties"]["size"]["anyOf"].size(), 2u);
  EXPECT_TRUE(properties["cost"]["properties"].contains("device_hour"));
  const auto claim = properties["claim"]["items"]["properties"], part = claim["part"]["items"]["properties"];
  for (const ClaimField& field : claim_fields(kPlantedStudy)) {
    EXPECT_EQ(claim[field.name]["description"], field.meaning);
    EXPECT_EQ(part.contains(field.name), field.of_part) << field.name;
  }
  EXPECT_EQ(claim["metric"]["enum"].dump(), R"(["planted.score","loss"])");
  EXPECT_EQ(claim["alpha"]["maximum"], 0.5);
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
