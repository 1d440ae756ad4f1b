#include "sweeps/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace palimpsest {
namespace {

using testing::ElementsAre;

const std::string kHead = "study = \"planted\"\nname = \"try\"\n";

Definition read(const std::string& text, std::vector<Override> overrides = {}) { return read_definition_text(text, "/folder/try.toml", overrides); }

/// The mistakes of a definition, without the folder before the file's name.
std::vector<std::string> mistakes(const std::string& text, std::vector<Override> overrides = {}) {
  try {
    read(text, overrides);
  } catch (const DefinitionError& error) {
    std::vector<std::string> lines = error.mistakes();
    for (std::string& line : lines)
      if (line.starts_with("/folder/")) line = line.substr(8);
    return lines;
  }
  return {};
}

const std::string kFull = R"(study = "planted"
name = "try"

[planted]
cluster_sd = 2
noise_sd = 0.25

[packs]
size = 8

[sweep]
image_sets = 13
seeds = 3

[sweep.grid]
"planted.effect" = [0.5, 1]
"planted.condition" = ["b", "a"]

[[claim]]
name = "b shifts the score"
metric = "planted.score"
at = { layers = "early", images = "familiar" }
change = { epoch = [0, 10] }
minus = { images = "novel" }
treatment = { "planted.condition" = "b" }
baseline = { planted.condition = "a" }
each = ["planted.effect"]
direction = "greater"
smallest_effect = 0.02
)";

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

TEST(Definition, ResolvedReadsBackToTheSame) {
  const Definition d = read(kFull);
  const Definition again = read(resolved_toml(d));
  EXPECT_EQ(again.name, d.name);
  EXPECT_EQ(again.base, d.base);
  EXPECT_EQ(again.grid, d.grid);
  EXPECT_EQ(again.claims, d.claims);
  EXPECT_EQ(again.image_sets, d.image_sets);
  EXPECT_EQ(again.seeds, d.seeds);
  EXPECT_EQ(again.pack_size, d.pack_size);
  EXPECT_EQ(resolved_toml(again), resolved_toml(d));
}

TEST(Definition, TellsAllMistakesAtOnce) {
  EXPECT_THAT(mistakes("study = \"plante\"\n[sweep]\nseeds = 0\nzip = 1\n"),
              ElementsAre("try.toml:1:9: unknown study plante. Did you mean planted?",
                          "try.toml:3:9: sweep.seeds = 0 is out of range. Write a number from 1 to 1000000 (seeds).",
                          "try.toml:4:1: sweep.zip is not supported by this version; use [sweep.grid].",
                          "try.toml: the key name is missing. Write name = \"...\" at the top: what results and reports call the sweep."));
}

}  // namespace
}  // namespace palimpsest
