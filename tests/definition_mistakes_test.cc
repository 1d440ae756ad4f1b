// What is said of each mistake in a definition, and where.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sweeps/study.h"
#include "tests/small_definition.h"

namespace palimpsest {
namespace {

using testing::ElementsAre;

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

TEST(Definition, TellsAllMistakesAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(mistakes(R"(study = "planted"
[planted]
effct = 1
noise_sd = "much"
[sweep]
seeds = 0
[sweep.grid]
"planted.condition" = []
"planted.steps" = [1, 2, 1, 0]
[[claim]]
name = "one"
metric = "planted.scor"
direction = "more"
)", {{"planted.skew", "3"}}),
              ElementsAre("try.toml:3:1: unknown key planted.effct. Did you mean planted.effect?",
                          "try.toml:4:12: planted.noise_sd = 'much' is a string. Write a number.",
                          "try.toml:6:9: sweep.seeds = 0 is out of range. Write a number from 1 to 1000000 (seeds).",
                          "try.toml:8:23: planted.condition = [] has no value, so there would be no run. Give its values, or leave the axis out.",
                          "try.toml:9:26: planted.steps has 1 twice in [sweep.grid]: the same runs. Leave one out.",
                          "try.toml:9:29: planted.steps = 0 is out of range. Write a number from 1 to 1000000 (steps).",
                          "try.toml:12:10: unknown metric planted.scor of the study planted. Did you mean planted.score?",
                          "try.toml:13:13: direction is none of: greater, less.",
                          "try.toml: the key name is missing. Write name = \"...\" at the top: what results and reports call the sweep.",
                          "--set planted.skew=3: planted.skew = 3 is an integer. Write true or false."));
}

/// One mistake, and what is said of it. The text stands from line 3 on.
struct Mistake {
  std::string text, said;
};

void expect_said(const std::vector<Mistake>& cases) {
  for (const Mistake& one : cases) EXPECT_THAT(mistakes(kHead + one.text), ElementsAre(one.said)) << one.text;
}

TEST(DefinitionMistakes, OfTheHead) {
  EXPECT_THAT(mistakes("study = \"plant\"\nname = \"x\"\n"), ElementsAre("try.toml:1:9: unknown study plant. Did you mean planted?"));
  EXPECT_THAT(mistakes("study = \"dogs\"\nname = \"x\"\n"), ElementsAre("try.toml:1:9: unknown study dogs. There are: planted."));
  EXPECT_THAT(mistakes("study = \"planted\"\nname = \"\"\n"), ElementsAre("try.toml:2:8: name is empty. Write a word for the sweep."));
  EXPECT_THAT(mistakes("study = 3\nname = []\n"), ElementsAre("try.toml:1:9: study = 3 is an integer. Write a string in quotes.",
                                                              "try.toml:2:8: name = [] is a list. Write a string in quotes."));
  EXPECT_THAT(mistakes(""), ElementsAre("try.toml: the key study is missing. Write study = \"...\" at the top: what a run does and measures.",
                                        "try.toml: the key name is missing. Write name = \"...\" at the top: what results and reports call the sweep."));
  EXPECT_THAT(mistakes(kHead + "x = ["), ElementsAre("try.toml:3:6: Error while parsing array: encountered end-of-file. This is not TOML; mend it here first."));
}

TEST(DefinitionMistakes, OfKeepingNetworksOfAStudyThatHasNone) {
  expect_said({
      {"keep = \"trained\"", "try.toml:3:1: unknown key keep. Did you mean sweep?"},
  });
}

TEST(DefinitionMistakes, OfCountsAndPacks) {
  expect_said({
      {"sweep = 3", "try.toml:3:9: sweep is no table. Write [sweep] and its keys below it."},
      {"[sweep]\nimage_sets = 0", "try.toml:4:14: sweep.image_sets = 0 is out of range. Write a number from 1 to 1000000 (sets of images)."},
      {"[sweep]\nseeds = 2.5", "try.toml:4:9: sweep.seeds = 2.5 is a number. Write an integer (seeds)."},
      {"[sweep]\nseed = 3", "try.toml:4:1: unknown key sweep.seed. Did you mean sweep.seeds?"},
      {"[sweep]\nfoo = 3", "try.toml:4:1: unknown key sweep.foo."},
      {"[sweep]\nimage_sets = 1000000\nseeds = 1000000", "try.toml:3:1: the sweep has 1000000000000 runs, and more than sweep.max_runs = 1000000 are taken for a slip. Take out values, image sets or seeds, or write max_runs = 1000000000000 under [sweep]."},
      {"[packs]\nsize = 0", "try.toml:4:8: packs.size = 0 is out of range. Write a number from 1 to 1000000 (runs, or \"auto\")."},
      {"[packs]\nsize = \"small\"", "try.toml:4:8: packs.size = \"small\" is no size. Write \"auto\" or a number of runs."},
      {"[packs]\nsizes = 2", "try.toml:4:1: unknown key packs.sizes. Did you mean packs.size?"},
      {"[pack]\nsize = 2", "try.toml:3:2: unknown table [pack]. Did you mean packs?"},
  });
}

TEST(DefinitionMistakes, OfTheGrid) {
  expect_said({
      {"[sweep]\ngrid = 3", "try.toml:4:8: sweep.grid is no table. Write [sweep.grid] and below it lists of values, like \"fast.rank\" = [4, 8]."},
      {"[sweep.grid]\n\"planted.condtion\" = [\"a\"]", "try.toml:4:1: unknown axis planted.condtion in [sweep.grid]. Did you mean planted.condition?"},
      {"[sweep.grid]\ncondition = [\"a\"]", "try.toml:4:1: unknown axis condition in [sweep.grid]. Did you mean planted.condition?"},
      {"[sweep.grid]\nrank = [4]", "try.toml:4:1: unknown axis rank in [sweep.grid]. `palimpsest init planted` lists the keys."},
      {"[sweep.grid]\n\"planted.effect\" = []", "try.toml:4:20: planted.effect = [] has no value, so there would be no run. Give its values, or leave the axis out."},
      {"[sweep.grid]\n\"planted.effect\" = 3", "try.toml:4:20: planted.effect in [sweep.grid] is no list. Write the values it takes in brackets, or give its one value outside [sweep.grid]."},
      {"[sweep.grid]\n\"planted.effect\" = { from = 0, to = 1 }", "try.toml:4:20: planted.effect in [sweep.grid] is no list. Write the values it takes in brackets, or give its one value outside [sweep.grid]."},
      {"[sweep.grid]\n\"planted.fail_while\" = [\"a\"]", "try.toml:4:1: planted.fail_while cannot be swept: it is the same for all runs of a sweep. Give its one value outside [sweep.grid]."},
      {"[sweep.grid]\n\"planted.effect\" = [1, 2, 1.0]", "try.toml:4:27: planted.effect has 1.0 twice in [sweep.grid]: the same runs. Leave one out."},
      {"[sweep.grid]\n\"planted.effect\" = [1, \"2\"]", "try.toml:4:24: planted.effect = '2' is a string. Write a number."},
      {"[sweep.grid]\n\"planted.condition\" = [\"a\", \"c\"]", "try.toml:4:29: planted.condition = 'c' is none of: a, b."},
      {"[sweep.grid]\nplanted.skew = [true]\n\"planted.skew\" = [false]", "try.toml:5:1: planted.skew is in [sweep.grid] twice, quoted and unquoted. Leave one out."},
  });
}

// Lines of the claim below start at 10; each case adds or replaces one.
std::string claim_with(const std::string& line, const std::string& instead_of = "") {
  std::string text = "[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n\"planted.effect\" = [0, 1]\n[[claim]]\nname = \"one\"\nmetric = \"planted.score\"\ndirection = \"greater\"\n";
  if (instead_of.empty()) return text + line + "\n";
  return text.replace(text.find(instead_of), instead_of.size() + 1, line);
}

TEST(DefinitionMistakes, OfAClaimAsAWhole) {
  expect_said({
      {"claim = 3", "try.toml:3:9: claim is no list of tables. Write [[claim]], with two brackets, above each claim."},
      {"[claim]\nname = \"x\"", "try.toml:3:1: claim is no list of tables. Write [[claim]], with two brackets, above each claim."},
      {"[[claims]]\nname = \"x\"", "try.toml:3:3: unknown table [claims]. Did you mean claim?"},
      {claim_with("", "name = \"one\""), "try.toml:6:1: the claim has no name. Write name = \"...\": what it says, in a few words."},
      {claim_with("name = 3\n", "name = \"one\""), "try.toml:7:8: the claim's name is no text. Write what it says, in a few words, in quotes."},
      {claim_with("[[claim]]\nname = \"one\"\nmetric = \"loss\"\ndirection = \"less\""), "try.toml:11:8: two claims are named \"one\". Give each its own name."},
      {claim_with("alpha = 5"), "try.toml:10:9: alpha is no number above 0 and up to 0.5. Write the error rate over all claims of the file, for example 0.05."},
      {claim_with("alpha = nan"), "try.toml:10:9: alpha is no number above 0 and up to 0.5. Write the error rate over all claims of the file, for example 0.05."},
      {claim_with("basline = 5"), "try.toml:10:1: unknown field basline of a claim. Did you mean baseline?"},
      {claim_with("unit = 5"), "try.toml:10:1: unknown field unit of a claim. It has: name, metric, at, change, trend, minus, treatment, baseline, direction, "
                               "smallest_effect, each, alpha, part."},
      {claim_with("part = []"), "try.toml:10:8: part is no list of tables. Write [[claim.part]] below the claim, once for each part that must hold."},
      {claim_with("[claim.part]"), "try.toml:10:1: part is no list of tables. Write [[claim.part]] below the claim, once for each part that must hold."},
      {claim_with("[[claim.part]]\nname = \"p\""), "try.toml:11:1: unknown field name of a part of a claim. It belongs to the claim as a whole: write it under [[claim]]."},
      {claim_with("[[claim.part]]\nmetrics = \"p\""), "try.toml:11:1: unknown field metrics of a part of a claim. Did you mean metric?"},
  });
}

TEST(DefinitionMistakes, OfAClaimAreToldOnceForAllItsParts) {
  expect_said({{claim_with("at = { layr = 3 }\n[[claim.part]]\n[[claim.part]]\ntrend = \"epoch\""), "try.toml:10:8: planted.score has no axis layr. Did you mean layer?"}});
}

TEST(DefinitionMistakes, OfEach) {
  expect_said({
      {claim_with("each = \"planted.effect\""), "try.toml:10:8: each is no list of keys. Write each = [\"training.learning_rate\"]: the claim must hold at each value of them."},
      {claim_with("each = [3]"), "try.toml:10:9: each holds something that is no key. Write keys of [sweep.grid] in quotes."},
      {claim_with("each = [\"planted.efect\"]"), "try.toml:10:9: each names planted.efect, which is not swept. Did you mean planted.effect?"},
      {claim_with("each = [\"planted.skew\"]"), "try.toml:10:9: each names planted.skew, which is not swept. Add it to [sweep.grid], or take it out of each."},
      {claim_with("each = [\"planted.effect\", \"planted.effect\"]"), "try.toml:10:27: each names planted.effect twice. Leave one out."},
      {claim_with("each = [\"planted.effect\"]\ntreatment = { \"planted.effect\" = 1 }"),
       "try.toml:10:9: each takes every value of planted.effect, but treatment or baseline fixes one. Take it out of one of them."},
  });
}

TEST(DefinitionMistakes, OfMetricAndDirection) {
  expect_said({
      {claim_with("", "metric = \"planted.score\""), "try.toml:6:1: the claim has no metric. Write metric = \"...\", one of: planted.score, loss."},
      {claim_with("metric = 3\n", "metric = \"planted.score\""), "try.toml:8:10: metric is no string. Write one of: planted.score, loss."},
      {claim_with("metric = \"score\"\n", "metric = \"planted.score\""), "try.toml:8:10: unknown metric score of the study planted. It has: planted.score, loss."},
      {claim_with("metric = \"los\"\n", "metric = \"planted.score\""), "try.toml:8:10: unknown metric los of the study planted. Did you mean loss?"},
      {claim_with("", "direction = \"greater\""), "try.toml:6:1: the claim has no direction. Write direction = \"greater\" or \"less\" than 0."},
      {claim_with("direction = \"grater\"\n", "direction = \"greater\""), "try.toml:9:13: direction is none of: greater, less. Did you mean greater?"},
      {claim_with("smallest_effect = 0"), "try.toml:10:19: smallest_effect is no number above 0. Write the smallest effect that matters, in units of the statistic, or leave it out."},
  });
}

TEST(DefinitionMistakes, OfAxesAndTheirPlaces) {
  expect_said({
      {claim_with("at = \"early\""), "try.toml:10:6: at is no table of axes. Write at = { layer = \"early\", images = \"familiar\" }."},
      {claim_with("at = { layr = \"early\" }"), "try.toml:10:8: planted.score has no axis layr. Did you mean layer?"},
      {claim_with("at = { readout = \"cls\" }"), "try.toml:10:8: planted.score has no axis readout. Its axes are: epoch, images, layer."},
      {claim_with("at = { layer = {} }"), "try.toml:10:16: at.layer names no place. Write a label of the axis, or first, middle, last, early, late or all, or a list of these."},
      {claim_with("at = { layer = [] }"), "try.toml:10:16: at.layer names no place. Write a label of the axis, or first, middle, last, early, late or all, or a list of these."},
      {claim_with("at = { layer = 1, layers = 2 }"), "try.toml:10:19: at names the axis layer twice. Leave one out."},
      {claim_with("minus = { images = \"novel\" }\nat = { images = \"novel\" }"), "try.toml:10:9: minus subtracts the same places that `at` names, which is always 0. Name other ones."},
      {claim_with("minus = { image = \"novel\" }"), "try.toml:10:11: planted.score has no axis image. Did you mean images?"},
  });
}

TEST(DefinitionMistakes, OfChangeAndTrend) {
  expect_said({
      {claim_with("change = 3"), "try.toml:10:10: change is no table. Write change = { epoch = [0, 100] }: the value at the second label minus that at the first."},
      {claim_with("change = {}"), "try.toml:10:10: change names no axis. Write change = { epoch = [0, 100] }."},
      {claim_with("change = { as = \"log-ratio\" }"), "try.toml:10:10: change names no axis. Write change = { epoch = [0, 100] }."},
      {claim_with("change = { epoch = [0] }"), "try.toml:10:20: change.epoch is no pair of labels. Write change = { epoch = [0, 100] }: from, to."},
      {claim_with("change = { epoch = [10, 10] }"), "try.toml:10:20: change.epoch goes from 10 to 10, which is always 0. Write two labels."},
      {claim_with("change = { epok = [0, 10] }"), "try.toml:10:12: planted.score has no axis epok. Did you mean epoch?"},
      {claim_with("change = { epoch = [0, 10], layer = [0, 1] }"), "try.toml:10:29: change goes along epoch and layer. Leave one of the two axes."},
      {claim_with("change = { epoch = [0, 10], as = \"logratio\" }"), "try.toml:10:34: change.as is none of: difference, log-ratio. Did you mean log-ratio?"},
      {claim_with("change = { epoch = [0, 10] }\nat = { epoch = 10 }"), "try.toml:11:6: at fixes the axis epoch, along which change goes. Take it out of at."},
      {claim_with("change = { epoch = [0, 10] }\nminus = { epoch = 10 }"), "try.toml:11:9: minus fixes the axis epoch, along which change goes. Take it out of minus."},
      {claim_with("trend = 3"), "try.toml:10:9: trend is no axis. Write trend = \"epoch\": the slope over the numbers of that axis."},
      {claim_with("trend = \"epoc\""), "try.toml:10:9: planted.score has no axis epoc. Did you mean epoch?"},
      {claim_with("trend = \"epoch\"\nchange = { epoch = [0, 10] }"), "try.toml:10:9: the claim has change and trend. Leave one out: change compares two places of an axis, trend is the slope over all."},
  });
}

/// The planted study, were its conditions comparable at equal loss.
const Study& matchable_study() {
  static const Study study = [] {
    Study made = kPlantedStudy;
    made.name = "matchable";
    made.matchable = {{"loss", "planted.size"}};
    return made;
  }();
  add_study(study);
  return study;
}

TEST(DefinitionMistakes, OfWhatIsMatched) {
  expect_said({{claim_with("matched = \"loss\""), "try.toml:10:1: unknown field matched of a claim. It has: name, metric, at, change, trend, minus, treatment, baseline, direction, "
                                                  "smallest_effect, each, alpha, part."}});
  const auto said = [](const std::string& line) { return mistakes("study = \"" + matchable_study().name + "\"\nname = \"try\"\n" + claim_with(line)); };
  const std::string sides = "treatment = { \"planted.condition\" = \"a\" }\nbaseline = { \"planted.condition\" = \"b\" }\n";
  EXPECT_THAT(said("change = { epoch = [0, 10] }\nmatched = \"loss\"\n" + sides), testing::IsEmpty());
  EXPECT_THAT(said("change = { epoch = [0, 10] }\nmatched = \"los\"\n" + sides), ElementsAre("try.toml:11:11: matched is none of: loss. Did you mean loss?"));
  EXPECT_THAT(said("matched = \"loss\"\n" + sides),
              ElementsAre("try.toml:10:11: matched cuts a change over epochs short where both sides reach the same loss. Write change = { epoch = [0, 100] }."));
  EXPECT_THAT(said("change = { epoch = [0, 10] }\nmatched = \"loss\""),
              ElementsAre("try.toml:11:11: matched compares a treatment with a baseline, of which the claim has none. Write both, or leave matched out."));
}

TEST(DefinitionMistakes, OfTreatmentAndBaseline) {
  expect_said({
      {claim_with("treatment = \"b\""), "try.toml:10:13: treatment is no table of keys. Write treatment = { \"planted.condition\" = ... }."},
      {claim_with("treatment = { \"planted.conditon\" = \"b\" }"), "try.toml:10:15: treatment names planted.conditon, which is no key of the study planted. Did you mean planted.condition?"},
      {claim_with("treatment = { \"planted.condition\" = 3 }"), "try.toml:10:37: planted.condition = 3 is an integer. Write a string in quotes."},
      {claim_with("treatment = { \"planted.effect\" = 2 }"), "try.toml:10:34: no run has the treatment planted.effect = 2.0: [sweep.grid] has 0.0, 1.0. Write one of these, or add it there."},
      {claim_with("treatment = { \"planted.noise_sd\" = 2 }"), "try.toml:10:36: no run has the treatment planted.noise_sd = 2.0: it is not swept, and all runs have 0.5. "
                                                              "Sweep it: \"planted.noise_sd\" = [0.5, 2.0] under [sweep.grid]."},
      {claim_with("baseline = { \"planted.effect\" = 1 }"), "try.toml:10:12: the claim has a baseline but no treatment. Write treatment = { ... }: the runs that are compared with it."},
      {claim_with("baseline = { \"planted.effect\" = 1 }\ntreatment = { planted.effect = 1.0 }"), "try.toml:10:12: baseline and treatment are the same runs, whose difference is always 0. Change one of them."},
  });
  EXPECT_THAT(mistakes(kHead + claim_with("baseline = { \"planted.effect\" = 1 }\ntreatment = { \"planted.condition\" = \"b\" }")),
              ElementsAre("try.toml:10:12: a run with planted.condition = \"b\", planted.effect = 1.0 is in treatment and baseline, and would be compared with itself. "
                          "Give one key in both, with different values."));
  EXPECT_THAT(mistakes(kHead + claim_with("treatment = { \"planted.noise_sd\" = 0.5, \"planted.condition\" = \"a\" }")), ElementsAre());  // all runs have 0.5
}

// Treatment and baseline name different keys, and yet no run is both.
TEST(DefinitionMistakes, NoneIsAContrastWhoseKeysNeverMeet) {
  const std::string claim = "[[claim]]\nname = \"one\"\nmetric = \"loss\"\ndirection = \"less\"\ntreatment = { \"planted.steps\" = 3 }\nbaseline = { \"planted.condition\" = \"b\" }\n";
  const auto said = [&](const std::string& sweep) { return mistakes(kHead + sweep + claim); };
  EXPECT_THAT(said("[sweep.grid]\n\"planted.steps\" = [3, 4]\n\"planted.condition\" = [\"a\", \"b\"]\n"), testing::SizeIs(1));
  EXPECT_THAT(said("[sweep.zip]\n\"planted.steps\" = [3, 4]\n\"planted.condition\" = [\"a\", \"b\"]\n"), ElementsAre());
  EXPECT_THAT(said("[sweep.zip]\n\"planted.steps\" = [3, 4]\n\"planted.condition\" = [\"b\", \"a\"]\n"), testing::SizeIs(1));
  EXPECT_THAT(said("[[sweep.ablation]]\n\"planted.steps\" = 3\n[[sweep.ablation]]\n\"planted.condition\" = \"b\"\n"), ElementsAre());
  EXPECT_THAT(said("[planted]\nsteps = 9\n[sweep.grid]\n\"planted.steps\" = { values = [3, 4], when = { \"planted.condition\" = \"a\" } }\n\"planted.condition\" = [\"a\", \"b\"]\n"), ElementsAre());
  EXPECT_THAT(said("[sweep.grid]\n\"planted.steps\" = [3, 4]\n\"planted.condition\" = [\"a\", \"b\"]\n[[sweep.exclude]]\n\"planted.steps\" = 3\n\"planted.condition\" = \"b\"\n"),
              ElementsAre());
}

TEST(DefinitionMistakes, OfAnAxisAreNotToldAgainOfItsClaims) {
  EXPECT_THAT(mistakes(kHead + "[sweep.grid]\n\"planted.condition\" = \"b\"\n[[claim]]\nname = \"x\"\nmetric = \"loss\"\ndirection = \"less\"\n"
                               "treatment = { \"planted.condition\" = \"b\" }\n"),
              ElementsAre(testing::HasSubstr("planted.condition in [sweep.grid] is no list.")));
}

TEST(DefinitionMistakes, OfKeysThatMoveTogether) {
  expect_said({
      {"[sweep.zip]\n\"planted.effect\" = [1, 2]\n\"planted.noise_sd\" = [1]",
       "try.toml:5:22: planted.noise_sd has 1 values, but planted.effect has 2: keys of [sweep.zip] move together. Give them equally many."},
      {"[sweep.zip]\n\"planted.efect\" = [1]", "try.toml:4:1: unknown axis planted.efect in [sweep.zip]. Did you mean planted.effect?"},
      {"[sweep.random]\n\"planted.effect\" = { uniform = [0, 1] }", "try.toml:3:1: sweep.random has no count. Write count = 100: the points to draw."},
      {"[sweep.random]\ncount = 4\n\"planted.effect\" = [1, 2]",
       "try.toml:5:20: planted.effect in [sweep.random] is no distribution. Write { uniform = [a, b] }, { log_uniform = [a, b] } or { choice = [...] }."},
      {"[sweep.random]\ncount = 4\n\"planted.effect\" = { log_uniform = [0, 2] }",
       "try.toml:5:36: planted.effect: log_uniform needs two ascending numbers above 0 within the key's range. For a list of values write choice."},
      {"[[sweep.exclude]]\n\"planted.efect\" = 1", "try.toml:4:1: unknown key planted.efect in [[sweep.exclude]]. Did you mean planted.effect?"},
      {"[sweep.grid]\n\"planted.effect\" = [1, 2]\n[sweep.zip]\n\"planted.effect\" = [1]",
       "try.toml:6:1: planted.effect is swept already, at /folder/try.toml:4:1. Sweep it in one of grid, zip, random and ablation."},
      {"[[sweep.ablation]]\n\"planted.effect\" = 1\n[[sweep.ablation]]\n\"planted.effect\" = 2\n[[sweep.zip]]\n\"planted.effect\" = [3]",
       "try.toml:4:1: planted.effect is swept already, at /folder/try.toml:8:1. Sweep it in one of grid, zip, random and ablation."},
      {"[cost]\ncurrency = \"E\\u001b[31mUR\"", "try.toml:4:12: cost.currency holds a control character. Take it out."},
      {"include = \"nowhere.toml\"", "try.toml:3:11: there is no file /folder/nowhere.toml to include. Check the path: it is relative to this file."},
  });
}

TEST(DefinitionMistakes, OfOverrides) {
  const auto said = [](std::vector<Override> overrides) { return mistakes(kFull, std::move(overrides)); };
  EXPECT_THAT(said({{"planted.condition", "b"}}), ElementsAre("--set planted.condition=b: planted.condition is swept, so its base value has no effect. "
                                                              "Write --set 'sweep.grid.planted.condition=[\"b\"]'."));
  EXPECT_THAT(said({{"sweep.grid.planted.condition", "[\"b\"]"}}), testing::Not(testing::Contains(testing::HasSubstr("is no list")))) << "what is advised can be read";
  const auto swept = [](const std::string& table) { return mistakes(kHead + table, {{"planted.effect", "7"}}); };
  EXPECT_THAT(swept("[[sweep.zip]]\n\"planted.steps\" = [1]\n[[sweep.zip]]\nplanted.effect = [1, 2]\n"),
              ElementsAre("--set planted.effect=7: planted.effect is swept under sweep.zip, so its base value has no effect. Change its values there, in the file."));
  EXPECT_THAT(swept("[sweep.random]\ncount = 2\n\"planted.effect\" = { uniform = [0, 1] }\n"),
              ElementsAre("--set planted.effect=7: planted.effect is swept under sweep.random, so its base value has no effect. Change its values there, in the file."));
  EXPECT_THAT(said({{"planted.stps", "3"}}), ElementsAre("--set planted.stps=3: unknown key planted.stps. Did you mean planted.steps?"));
  EXPECT_THAT(said({{"sweep.image_sets", "none"}}), ElementsAre("--set sweep.image_sets=none: sweep.image_sets = 'none' is a string. Write an integer (sets of images)."));
  EXPECT_THAT(said({{"sweep.zip", "3"}}), ElementsAre("--set sweep.zip=3: sweep.zip is no table. Write [[sweep.zip]] and keys with their values below it."));
  EXPECT_THAT(said({{"sweep.grid.planted.skw", "[true]"}}), ElementsAre("--set sweep.grid.planted.skw=[true]: unknown axis planted.skw in [sweep.grid]. Did you mean planted.skew?"));
  EXPECT_THAT(said({{"sweep.seeds.x", "3"}}), ElementsAre("--set sweep.seeds.x=3: sweep.seeds is no table of keys."));
  EXPECT_THAT(said({{"study", "dogs"}}), ElementsAre(testing::StartsWith("--set study=dogs: unknown study dogs. There are: planted")));
}

}  // namespace
}  // namespace palimpsest
