// What a report's methods say of how conditions came about: the definition as a ledger records it, in words.

#include "sweeps/design_words.h"

#include <gmock/gmock.h>

namespace palimpsest {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string words_of(const std::string& sweep) {
  const Definition given = read_definition_text("study = \"planted\"\nname = \"try\"\n" + sweep, "/folder/try.toml");
  const Definition recorded = read_definition_text(resolved_toml(given), "/folder/resolved.toml");
  EXPECT_EQ(resolved_toml(recorded), resolved_toml(given));
  return design_words(recorded);
}

TEST(DesignWords, OfAGridAreAProductOfItsAxes) {
  EXPECT_THAT(words_of("[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n\"planted.size\" = [1, 2, 3]\n"),
              StartsWith("Conditions are all combinations of condition (a, b) and size (1, 2, 3)."));
}

TEST(DesignWords, OfOneAxisAreNoProduct) {
  EXPECT_THAT(words_of("[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n"), AllOf(StartsWith("Conditions are condition (a, b)."), Not(HasSubstr("combinations"))));
}

TEST(DesignWords, OfKeysThatMoveTogetherDoNotMultiplyThem) {
  EXPECT_THAT(words_of("[[sweep.zip]]\n\"planted.effect\" = [1, 2]\n\"planted.size\" = [1, 2]\n"),
              StartsWith("Conditions are 2 points of effect and size. The values of effect and size move together."));
}

TEST(DesignWords, OfWhatWasDrawnSayHow) {
  EXPECT_THAT(words_of("[sweep.random]\ncount = 3\nseed = 7\n\"planted.effect\" = { uniform = [0, 2] }\n\"planted.noise_sd\" = { log_uniform = [0.1, 10] }\n"
                       "\"planted.size\" = { choice = [1, 4] }\n[[sweep.ablation]]\n\"planted.condition\" = \"b\"\n"),
              AllOf(StartsWith("Conditions are all combinations of 3 points of effect, noise sd and size and 2 points of condition. "),
                    HasSubstr("The points of effect, noise sd and size are drawn at random (Sobol's sequence, shifted with seed 7): effect uniform from 0 to 2; "
                              "noise sd log-uniform from 0.1 to 10; size one of 1, 4. "),
                    HasSubstr("The points of condition are the base condition first, and then one change of it at a time.")));
}

TEST(DesignWords, NameWhatIsLeftOutAndWhereAnAxisExists) {
  EXPECT_THAT(words_of("[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n\"planted.size\" = { values = [2, 3], when = { \"planted.condition\" = \"b\" } }\n"
                       "[[sweep.exclude]]\n\"planted.condition\" = \"b\"\n\"planted.size\" = [3, 4]\n"),
              AllOf(HasSubstr("Values of size are taken where condition is b alone; elsewhere it is 2."),
                    HasSubstr("Conditions in which condition is b and size is 3 or 4 are left out.")));
}

TEST(DesignWords, NameSettingsThatAreNotTheStudysDefaults) {
  const std::string words = words_of("planted.noise_sd = 0.75\n[sweep.grid]\n\"planted.condition\" = [\"a\", \"b\"]\n");
  EXPECT_THAT(words, EndsWith("Other settings that are not the study's defaults: planted.noise_sd 0.75."));
}

}  // namespace
}  // namespace palimpsest
