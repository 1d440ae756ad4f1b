// What the familiarity study is given: its images, their noise, and what it refuses before it runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/key_error.h"
#include "sweeps/claim_check.h"
#include "sweeps/familiarity.h"
#include "tests/small_familiarity.h"

namespace palimpsest {
namespace {

using ::testing::HasSubstr;

TEST_F(Familiarity, SetsAreDisjointAndNovelIsTheNextFamiliar) {
  const auto source = dead_leaves(3, 16, 32);
  std::set<std::int64_t> seen;
  for (std::int64_t set = 0; set < 4; ++set) {
    const auto chosen = choose_images(*source, settings(), set, 4);
    for (const auto i : chosen.familiar) EXPECT_TRUE(seen.insert(i).second);
    EXPECT_EQ(chosen.novel, choose_images(*source, settings(), (set + 1) % 4, 4).familiar);
    EXPECT_EQ(chosen.reference.size(), 8u);
    for (const auto i : chosen.reference)
      for (const auto* own : {&chosen.familiar, &chosen.novel}) EXPECT_EQ(std::count(own->begin(), own->end(), i), 0);
  }
}

// Twelve images in three folders.
class Classes : public ImageSource {
 public:
  std::int64_t count() const override { return 12; }
  std::string name(std::int64_t i) const override { return class_of(i) + "/" + std::to_string(i) + ".png"; }
  static std::string class_of(std::int64_t i) { return i < 5 ? "train/cat" : i < 10 ? "train/dog" : "train/owl"; }
  Image image(std::int64_t) const override { return {}; }
  std::optional<Mask> mask(std::int64_t) const override { return {}; }
  bool has_masks() const override { return false; }
  std::string hash(std::int64_t) const override { return {}; }
};

std::vector<std::string> classes_of(const std::vector<std::int64_t>& images) {
  std::set<std::string> out;
  for (const auto i : images) out.insert(Classes::class_of(i));
  return {out.begin(), out.end()};
}

// Two classes as Tiny-ImageNet lays them out: CLASS/images/IMAGE.
class ClassesAboveAFolder : public Classes {
 public:
  std::string name(std::int64_t i) const override { return (i < 6 ? "n01443537/images/" : "n01629819/images/") + std::to_string(i) + ".JPEG"; }
};

TEST_F(Familiarity, AFolderThatEveryClassHasIsNoClass) {
  for (std::int64_t set = 0; set < 3; ++set) {
    const auto same = choose_images(ClassesAboveAFolder(), {3, 0, "", SetClasses::kSame}, 7, set, 3).familiar;
    EXPECT_TRUE(std::ranges::all_of(same, [&](auto i) { return (i < 6) == (same[0] < 6); }));
    const auto different = choose_images(ClassesAboveAFolder(), {2, 0, "", SetClasses::kDifferent}, 7, set, 3).familiar;
    EXPECT_NE(different[0] < 6, different[1] < 6);
  }
}

TEST_F(Familiarity, ImagesThatAreNamedAreTheFirstSetAndNoOther) {
  const Classes source;
  const ImageNeeds named{2, 2, "", SetClasses::kAny, {"train/dog/7.png", "train/cat/3.png"}};
  EXPECT_THAT(choose_images(source, named, 7, 0, 5).familiar, testing::ElementsAre(7, 3));
  std::set<std::int64_t> seen;
  for (std::int64_t set = 0; set < 5; ++set)
    for (const auto image : choose_images(source, named, 7, set, 5).familiar) EXPECT_TRUE(seen.insert(image).second) << image;
  for (const auto& [name, word] : {std::pair{"train/dog/3.png", "there is no image \"train/dog/3.png\"; the first is \"train/cat/0.png\""}, {"train/dog/7.png", "twice"}}) {
    const ImageNeeds wrong{2, 2, "", SetClasses::kAny, {"train/dog/7.png", name}};
    EXPECT_THAT([&] { choose_images(source, wrong, 7, 0, 5); }, testing::ThrowsMessage<InputError>(HasSubstr(word)));
  }
}

TEST_F(Familiarity, ImagesOfASetAreOfOneClassOrOfAsManyAsThereAreImages) {
  const Classes source;
  for (std::int64_t set = 0; set < 4; ++set) {
    const auto same = choose_images(source, {2, 2, "", SetClasses::kSame}, 7, set, 4);
    EXPECT_EQ(classes_of(same.familiar).size(), 1u);
    EXPECT_EQ(same.novel, choose_images(source, {2, 2, "", SetClasses::kSame}, 7, (set + 1) % 4, 4).familiar);
    EXPECT_EQ(classes_of(choose_images(source, {2, 2, "", SetClasses::kDifferent}, 7, set, 4).familiar).size(), 2u);
  }
  EXPECT_NE(classes_of(choose_images(source, {2, 2, "", SetClasses::kSame}, 7, 0, 4).familiar),
            classes_of(choose_images(source, {2, 2, "", SetClasses::kSame}, 7, 0, 4).novel));
  // Of 5, 5 and 2 images: two threes with one of each class; two fours of one class.
  EXPECT_NO_THROW(choose_images(source, {3, 2, "", SetClasses::kDifferent}, 7, 0, 2));
  EXPECT_THROW(choose_images(source, {3, 2, "", SetClasses::kDifferent}, 7, 0, 3), InputError);
  try {
    choose_images(source, {4, 2, "", SetClasses::kSame}, 7, 0, 3);
    FAIL() << "three sets of four of one class were found";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("3 image sets of 4 images of one class each are asked for, but the 3 classes there are make 2"));
  }
  EXPECT_THROW(choose_images(*dead_leaves(3, 16, 32), {2, 2, "", SetClasses::kSame}, 7, 0, 2), InputError);
}

TEST_F(Familiarity, ClaimsAtEpochsThatAreNotMeasuredAreRefusedBeforeTheFirstRun) {
  add_network_studies();
  const auto check = [&](const std::string& keys) {
    const auto text = "study = \"familiarity\"\nname = \"x\"\nslow = { weights = \"" + weights().string() + "\" }\n" + keys +
                      "[[claim]]\nname = \"c\"\nmetric = \"attention.scope\"\nchange = { epoch = [0, 30] }\ndirection = \"less\"\n";
    return check_claims(Plan(read_definition_text(text, folder_ / "sweep.toml")));
  };
  EXPECT_THAT(check("").mistakes, ::testing::ElementsAre(HasSubstr("has no place \"30\"")));
  EXPECT_THAT(check("evaluation = { epochs = [0, 30] }\n").mistakes, ::testing::IsEmpty());
  EXPECT_THAT(check("evaluation = { metrics = [\"loss\"] }\n").warnings, ::testing::ElementsAre(HasSubstr("evaluation.metrics does not name it")));
}

TEST_F(Familiarity, ClaimsAtPlacesThatHaveNoValueAreWarnedOfWithTheReason) {
  add_network_studies();
  const auto warnings = [&](const std::string& at) {
    const auto text = "study = \"familiarity\"\nname = \"x\"\nslow = { weights = \"" + weights().string() + "\" }\nevaluation = { readouts = [\"mean\", \"cls_input\"] }\n" +
                      "[[claim]]\nname = \"c\"\nmetric = \"manifold.level\"\nat = { " + at + " }\nchange = { epoch = [0, 100] }\ndirection = \"less\"\n";
    return check_claims(Plan(read_definition_text(text, folder_ / "sweep.toml"))).warnings;
  };
  EXPECT_THAT(warnings("readout = \"cls_input\""), ::testing::ElementsAre(HasSubstr("manifold.level is not measured at layer 0, readout cls_input: the class token that the first")));
  EXPECT_THAT(warnings("readout = \"cls_input\", layer = \"last\""), ::testing::IsEmpty());
  EXPECT_THAT(warnings("layer = \"first\""), ::testing::IsEmpty()) << "read from the mean of the patches";
}

TEST_F(Familiarity, SaysHowManyImagesAreNeeded) {
  auto s = settings();
  s.set("images.total", std::int64_t{11});
  try {
    familiarity_study().inspect(s, 0, 6);
    FAIL() << "12 images were found among 11";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("6 image sets of 2 need 12 images"));
    EXPECT_THAT(e.what(), HasSubstr("there are 11"));
  }
}

TEST_F(Familiarity, NamesTheKeyOfWhatItRefuses) {
  const std::map<std::string, Value> refused = {{"evaluation.epochs", std::vector<std::int64_t>{0, 3, 1000000}}, {"fast.layers", std::string("7")},
                                                {"test.heads_off", std::string("9.9")}, {"noise.levels", std::vector<double>{0.1}},
                                                {"training.steps_per_epoch", std::int64_t{3}}, {"loss.pixels", 0.0}, {"slow.readout", std::string("figure")}};
  for (const auto& [key, value] : refused) {
    auto s = settings();
    s.set(key, value);
    try {
      familiarity_study().inspect(s, 0, 4);
      ADD_FAILURE() << key << " was taken";
    } catch (const KeyError& e) {
      EXPECT_EQ(e.key(), key);
    }
  }
}

TEST_F(Familiarity, NamesTheKeyOfWhatItRefusesBesideAnother) {
  using Keys = std::map<std::string, Value>;
  using Strings = std::vector<std::string>;
  const std::string decoder = "decoder.kind", linear = "linear";
  const std::vector<std::pair<std::string, Keys>> refused = {
      {"loss.mask", {{"loss.masked", 1.0}, {"loss.mask", 0.01}}},
      {"loss.masked", {{"loss.masked", 1.0}, {decoder, linear}}},
      {"loss.feature_layers", {{"loss.features", 1.0}, {"loss.feature_layers", std::string("5")}}},
      {"decoder.depth", {{decoder, linear}, {"decoder.depth", std::int64_t{2}}}},
      {"training.rest", {{"training.rest", std::string("everything")}, {"fast.qkv", std::string("frozen")}}},
      {"fast.rule", {{"fast.rule", std::string("hebbian")}, {"fast.qkv", std::string("full")}}},
      {"slow.readout", {{"evaluation.readouts", Strings{"figure"}}}}};
  for (const auto& [named, keys] : refused) {
    auto s = settings();
    for (const auto& [key, value] : keys) s.set(key, value);
    try {
      familiarity_study().inspect(s, 0, 4);
      ADD_FAILURE() << named << " was taken";
    } catch (const KeyError& e) {
      EXPECT_EQ(e.key(), named);
    }
  }
}

TEST_F(Familiarity, ReadOutsByTheFigureAreRefusedBeforeTheFirstRunWhereAnImageHasNoMask) {
  add_network_studies();
  const auto source = dead_leaves(3, 16, 32);
  for (const char* part : {"images", "masks"}) std::filesystem::create_directories(folder_ / part);
  for (std::int64_t i = 0; i < 16; ++i) write_png(folder_ / "images" / (std::to_string(100 + i) + ".png"), source->image(i));
  const Image all{32, 32, std::vector<std::uint8_t>(3 * 32 * 32, 255)};
  write_png(folder_ / "masks" / "100.png", all);
  const auto refused = [&](const std::string& masks) {
    const auto text = "study = \"familiarity\"\nname = \"x\"\nslow = { weights = \"" + weights().string() + "\" }\n" + "images = { source = \"folder\", path = \"" +
                      (folder_ / "images").string() + "\", count = 2" + masks + " }\nalignment.reference = 8\nnoise.side = 32\n" +
                      "evaluation.readouts = [\"mean\", \"ground\"]\nsweep = { image_sets = 2 }\n";
    try {
      const Plan plan(read_definition_text(text, folder_ / "sweep.toml"));
      plan.run_at(0);
      return std::string("nothing was refused");
    } catch (const InputError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(refused(""), testing::MatchesRegex("(.|\n)*sweep.toml:7:[0-9]+: evaluation.readouts asks for figure and ground, but .*png has no mask. Give each image a mask(.|\n)*"));
  for (std::int64_t i = 1; i < 16; ++i) write_png(folder_ / "masks" / (std::to_string(100 + i) + ".png"), all);
  EXPECT_THAT(refused(", masks = \"" + (folder_ / "masks").string() + "\""), HasSubstr("has no ground in the middle square"));
}

TEST_F(Familiarity, RefusesWhatCannotBeBeforeItRuns) {
  const auto refused = [&](const char* key, Value value, const char* word) {
    auto s = settings();
    s.set(key, std::move(value));
    try {
      familiarity_study().inspect(s, 0, 4);
      ADD_FAILURE() << key << " was taken";
    } catch (const InputError& e) {
      EXPECT_THAT(e.what(), HasSubstr(word)) << key;
    }
  };
  refused("fast.rank", std::int64_t{33}, "fast.rank = 33 is above the width 32");
  refused("fast.layers", std::string("0,2"), "there is no block 2; the slow weights have blocks 0 to 1");
  refused("test.layers_off", std::string("7"), "there is no block 7");
  refused("test.heads_off", std::string("1.2"), "there is no head 2 of block 1");
  refused("images.side", std::int64_t{24}, "this image is 24 x 24 pixels, too small for noise.side = 32");
  refused("images.total", std::int64_t{7}, "4 image sets of 2 need 8 images");
  refused("images.classes", std::string("same"), "lies in no class");
  refused("decoder.initial", std::string("slow"), "has no decoder");
  auto s = settings();
  s.set("test.swapped", true);
  s.set("fast.qkv", std::string("full"));
  EXPECT_THROW(familiarity_study().inspect(s, 0, 4), InputError);
}

TEST_F(Familiarity, NoisyPixelsOfALevelAreAmongThoseOfTheNext) {
  const Image clean{4, 5, std::vector<std::uint8_t>(60, 100)};
  const std::vector<double> levels = {0.1, 0.3, 0.5};
  const auto images = find_noise_kind("salt-and-pepper").apply(clean, levels, RandomStream(1));
  std::set<int> before;
  for (std::size_t at = 0; at < levels.size(); ++at) {
    const double level = levels[at];
    const Image& noisy = images[at];
    std::set<int> now;
    int white = 0;
    for (int i = 0; i < 20; ++i)
      if (noisy.rgb[3 * i] != 100) now.insert(i), white += noisy.rgb[3 * i] == 255;
    const int n = static_cast<int>(level * 20 + 1e-9);
    EXPECT_EQ(static_cast<int>(now.size()), n);
    EXPECT_EQ(white, n / 2);
    EXPECT_TRUE(std::includes(now.begin(), now.end(), before.begin(), before.end()));
    before = now;
  }
}

TEST(FamiliarityNoise, EveryKindLeavesLessOfTheImageAtHigherLevels) {
  const Image clean = dead_leaves(3, 2, 32)->image(1);
  for (const auto* kind : noise_kinds()) {
    const auto noisy = kind->apply(clean, {0.1, 0.3, 0.5}, RandomStream(5));
    double before = 0;
    for (const auto& image : noisy) {
      double off = 0;
      for (std::size_t i = 0; i < clean.rgb.size(); ++i) off += std::pow(double(image.rgb[i]) - double(clean.rgb[i]), 2);
      EXPECT_GT(off, before) << kind->name;
      before = off;
    }
    EXPECT_EQ(noisy, kind->apply(clean, {0.1, 0.3, 0.5}, RandomStream(5))) << kind->name;
  }
}

TEST(FamiliarityNoise, ATurnOfARightAngleMovesEveryPixelToItsPlaceAndAllOfTheImageIsNoCrop) {
  const Image clean = dead_leaves(3, 2, 32)->image(1);
  const Image turned = find_noise_kind("rotation").apply(clean, {1.0}, RandomStream(5)).front();
  const auto at = [](const Image& image, int x, int y) { return image.rgb[static_cast<std::size_t>(3 * (y * 32 + x))]; };
  const bool left = at(turned, 0, 0) == at(clean, 31, 0);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x) ASSERT_EQ(at(turned, x, y), left ? at(clean, 31 - y, x) : at(clean, y, 31 - x)) << x << " " << y;
  EXPECT_EQ(find_noise_kind("crop").apply(clean, {0.0}, RandomStream(5)).front(), clean);
}

TEST(FamiliarityLayers, AreWordsOrNumbersOfBlocksThatExist) {
  EXPECT_EQ(layers_of("early", 4), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(layers_of("late", 4), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(layers_of("0,3", 4), (std::vector<std::int64_t>{0, 3}));
  EXPECT_THROW(layers_of("4", 4), InputError);
  EXPECT_THROW(layers_of("0;1", 4), InputError);
}

}  // namespace
}  // namespace palimpsest
