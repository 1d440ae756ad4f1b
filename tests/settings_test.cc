#include "runtime/settings.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const KeyTable kKeys = {
    {.name = "training.epochs",
     .type = KeyType::kInteger,
     .default_value = std::int64_t{100},
     .meaning = "Passes.",
     .unit = "epochs",
     .minimum = 1},
    {.name = "training.learning_rate",
     .type = KeyType::kNumber,
     .default_value = 1e-4,
     .meaning = "Rate.",
     .minimum = 0,
     .maximum = 1},
    {.name = "fast.qkv",
     .type = KeyType::kString,
     .default_value = std::string("adapter"),
     .meaning = "How.",
     .choices = {"adapter", "full", "frozen"}},
    {.name = "fast.layers",
     .type = KeyType::kIntegers,
     .default_value = std::vector<std::int64_t>{0, 1},
     .meaning = "Which."},
    {.name = "noise.levels",
     .type = KeyType::kNumbers,
     .default_value = std::vector<double>{0.3},
     .meaning = "Levels.",
     .minimum = 0,
     .maximum = 1},
    {.name = "fast.targets",
     .type = KeyType::kStrings,
     .default_value = std::vector<std::string>{"query"},
     .meaning = "What.",
     .choices = {"query", "key"}},
    {.name = "images.path", .type = KeyType::kPath, .default_value = std::string(), .meaning = "Folder of images."},
    {.name = "shuffle", .type = KeyType::kBool, .default_value = true, .meaning = "Whether."},
};

class SettingsFile : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) const {
    std::ofstream(folder_ / "a.toml") << text;
    return folder_ / "a.toml";
  }
  Settings read(const std::string& text, std::vector<Override> overrides = {}) const {
    return read_settings(write(text), kKeys, overrides);
  }

  /// The mistakes without the folder's name.
  std::vector<std::string> mistakes(const std::string& text, std::vector<Override> overrides = {},
                                    KeyTable keys = kKeys) const {
    try {
      read_settings(write(text), keys, overrides);
    } catch (const DefinitionError& error) {
      std::vector<std::string> lines;
      for (std::string line : error.mistakes()) {
        if (line.starts_with(folder_.path().string())) line.erase(0, folder_.path().string().size() + 1);
        lines.push_back(line);
      }
      return lines;
    }
    return {};
  }
  TemporaryFolder folder_;
};

TEST_F(SettingsFile, GivesTheDefaultOfEveryKeyThatIsNotWritten) { EXPECT_EQ(read(""), default_settings(kKeys)); }

TEST_F(SettingsFile, ReadsEachTypeOfKey) {
  const Settings s = read(
      "shuffle = false\n[training]\nepochs = 7\nlearning_rate = 0.5\n[fast]\nqkv = 'full'\nlayers = [3]\ntargets = "
      "['key']\n[noise]\nlevels = [0.1, 0.2]\n");
  EXPECT_FALSE(s.flag("shuffle"));
  EXPECT_EQ(s.integer("training.epochs"), 7);
  EXPECT_EQ(s.number("training.learning_rate"), 0.5);
  EXPECT_EQ(s.string("fast.qkv"), "full");
  EXPECT_THAT(s.integers("fast.layers"), ElementsAre(3));
  EXPECT_THAT(s.strings("fast.targets"), ElementsAre("key"));
  EXPECT_THAT(s.numbers("noise.levels"), ElementsAre(0.1, 0.2));
}

TEST_F(SettingsFile, TakesIntegersWhereNumbersAreWanted) {
  const Settings s = read("[training]\nlearning_rate = 1\n[noise]\nlevels = [0, 0.5, 1]\n");
  EXPECT_EQ(s.number("training.learning_rate"), 1.0);
  EXPECT_THAT(s.numbers("noise.levels"), ElementsAre(0, 0.5, 1));
}

TEST_F(SettingsFile, TellsAllMistakesInTheOrderOfTheFile) {
  EXPECT_THAT(
      mistakes("shufle = true\n[trainig]\nepochs = 3\n[fast]\nqkv = \"ful\"\nlayers = [1, 2.5]\nlearning_rate = "
               "3\n[training]\nepochs = 0\nlearning_rate = nan\n"),
      ElementsAre("a.toml:1:1: unknown key shufle. Did you mean shuffle?",
                  "a.toml:2:2: unknown table [trainig]. Did you mean training?",
                  "a.toml:5:7: fast.qkv = 'ful' is none of: adapter, full, frozen. Did you mean full?",
                  "a.toml:6:14: fast.layers = 2.5 is a number. Write a list of integers, like [0, 10].",
                  "a.toml:7:1: unknown key fast.learning_rate. Did you mean training.learning_rate?",
                  "a.toml:9:10: training.epochs = 0 is out of range. Write a number of at least 1 (epochs).",
                  "a.toml:10:17: training.learning_rate = nan is not finite. Write a finite number from 0 to 1."));
}

TEST_F(SettingsFile, RefusesATableWhereAKeyStandsAndAKeyWhereATableStands) {
  EXPECT_THAT(
      mistakes("training = 3\n[shuffle]\na = 1\n"),
      ElementsAre(
          "a.toml:1:1: training = 3 is an integer, but it is a table of keys. Write [training] and its keys below it.",
          "a.toml:2:1: shuffle = {...} is a table. Write true or false."));
}

TEST_F(SettingsFile, NamesThePlaceOfAMistakeOfSyntax) {
  EXPECT_THAT(mistakes("shuffle = \n"), ElementsAre(HasSubstr("a.toml:1:11: ")));
}

TEST_F(SettingsFile, RefusesQuotedDots) {
  EXPECT_THAT(mistakes("\"training.epochs\" = 3\n"), ElementsAre(HasSubstr("unknown key training.epochs")));
}

TEST_F(SettingsFile, AsksForRequiredKeys) {
  const KeyTable keys = {{.name = "slow.weights",
                          .type = KeyType::kPath,
                          .default_value = std::string(),
                          .meaning = "The slow weights.",
                          .required = true}};
  EXPECT_THAT(
      mistakes("", {}, keys),
      ElementsAre("a.toml: the key slow.weights is missing (The slow weights.). Write weights = ... under [slow]."));
  EXPECT_EQ(mistakes("[slow]\nweights = \"\"\n", {}, keys).size(), 1u);
  EXPECT_THROW(default_settings(keys), InputError);
}

TEST_F(SettingsFile, MakesPathsRelativeToTheFileAndThoseOfOverridesToTheWorkingFolder) {
  EXPECT_EQ(read("[images]\npath = '../photos'\n").string("images.path"), (folder_.path().parent_path() / "photos").string());
  EXPECT_EQ(read("[images]\npath = '/data'\n").string("images.path"), "/data");
  EXPECT_EQ(read("", {{"images.path", "photos"}}).string("images.path"),
            (std::filesystem::current_path() / "photos").string());
}

TEST_F(SettingsFile, LaysOverridesOverTheFile) {
  const Settings s = read("[training]\nepochs = 5\n", {{"training.epochs", "20"},
                                                       {"fast.qkv", "full"},
                                                       {"fast.layers", "[4, 5]"},
                                                       {"images.path", "/2024"},
                                                       {"shuffle", "false"}});
  EXPECT_EQ(s.integer("training.epochs"), 20);
  EXPECT_EQ(s.string("fast.qkv"), "full");
  EXPECT_THAT(s.integers("fast.layers"), ElementsAre(4, 5));
  EXPECT_EQ(s.string("images.path"), "/2024");
  EXPECT_FALSE(s.flag("shuffle"));
}

TEST_F(SettingsFile, TellsMistakesOfOverridesByTheirArgument) {
  EXPECT_THAT(mistakes("", {{"training.epoch", "20"}, {"training.epochs", "many"}, {"shuffle.x", "1"}}),
              UnorderedElementsAre(
                  "--set training.epoch=20: unknown key training.epoch. Did you mean training.epochs?",
                  "--set training.epochs=many: training.epochs = 'many' is a string. Write an integer (epochs).",
                  "--set shuffle.x=1: shuffle = {...} is a table. Write true or false."));
}

TEST_F(SettingsFile, RefusesBytesThatAreNoText) {
  EXPECT_THAT(mistakes("shuffle = \"\xff\xfe\"\n"), ElementsAre(HasSubstr("a.toml:1:")));
  EXPECT_THROW(read("", {{"images.path", "\xff\xfe"}}), InputError);
}

TEST_F(SettingsFile, NamesAFileThatIsNotThere) {
  try {
    read_settings(folder_ / "none.toml", kKeys);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("none.toml: cannot be read: No such file or directory"));
  }
}

TEST(Override, NeedsAKeyAndAnEqualsSign) {
  EXPECT_EQ(parse_override("a.b=c=d").value, "c=d");
  EXPECT_THROW(parse_override("a.b"), InputError);
  EXPECT_THROW(parse_override("=3"), InputError);
}

TEST(ValueText, HasOneSpellingThatReadsBackAsTheSameType) {
  EXPECT_EQ(text(Value(3.0)), "3.0");
  EXPECT_EQ(text(Value(-0.0)), "0.0");
  EXPECT_EQ(text(Value(1e-4)), "1e-04");
  EXPECT_EQ(text(Value(std::int64_t{3})), "3");
  EXPECT_EQ(text(Value(true)), "true");
  EXPECT_EQ(text(Value(std::string("a\"b\\\n\x01"))), "\"a\\\"b\\\\\\n\\u0001\"");
  EXPECT_EQ(text(Value(std::vector<double>{0.1, 2})), "[0.1, 2.0]");
  EXPECT_EQ(text(Value(std::vector<std::string>{})), "[]");
}

TEST(Nearest, FindsAWordWithSwappedLettersAndNothingFarAway) {
  const std::vector<std::string> known = {"adapter", "full", "frozen"};
  EXPECT_EQ(nearest("fulll", known), "full");
  EXPECT_EQ(nearest("adpater", known), "adapter");
  EXPECT_EQ(nearest("banana", known), std::nullopt);
}

TEST(Nearest, FindsAWordThatWasCutShortButNotByItsTableAlone) {
  const std::vector<std::string> known = {"sweep.seeds", "sweep.grid", "training.learning_rate"};
  EXPECT_EQ(nearest("training.learn", known), "training.learning_rate");
  EXPECT_EQ(nearest("sweep.seds", known), "sweep.seeds");
  EXPECT_EQ(nearest("sweep.foo", known), std::nullopt);
  EXPECT_EQ(nearest("sweep", known), std::nullopt);
}

TEST(Nearest, FindsNoWordWithoutALetterInCommon) {
  EXPECT_EQ(nearest("c", std::vector<std::string>{"a", "b"}), std::nullopt);
}

}  // namespace
}  // namespace palimpsest
