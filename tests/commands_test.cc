// What the program says to a command line that is wrong, and of itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "runtime/durable_file.h"
#include "tests/sweep_process.h"
#include "tests/temporary_folder.h"

namespace palimpsest {
namespace {

using testing::HasSubstr;
using testing::Not;

struct ACommand : testing::Test {
  TemporaryFolder folder;
  std::string said;

  /// Its exit code; `said` is what it wrote.
  int run(const std::vector<std::string>& words) {
    std::filesystem::remove(folder / "said");   // what was said before is not added to
    const int code = Process(palimpsest_command(0, words), folder / "said").wait();
    said = read_file(folder / "said");
    return code;
  }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return folder / name;
  }
  std::string sweep() { return file("sweep.toml", "study = \"planted\"\nname = \"x\"\n"); }
  /// The line of its help that tells of an option.
  std::string help_of(const std::string& command, const std::string& option) {
    run({command, "--help"});
    std::istringstream lines(said);
    for (std::string line; std::getline(lines, line);)
      if (line.find(option) != std::string::npos) return line;
    return "";
  }
};

TEST_F(ACommand, RefusesALimitOfNothingInASentence) {
  EXPECT_EQ(run({"sweep", sweep(), "--out", folder / "out", "--max-hours", "0"}), 2);
  EXPECT_THAT(said, HasSubstr("--max-hours: 0 is no number above 0. Write one, or leave the option out."));
}

TEST_F(ACommand, RefusesACostWithoutAPriceBeforeItWritesAnything) {
  EXPECT_EQ(run({"sweep", sweep(), "--out", folder / "out", "--max-cost", "3"}), 2);
  EXPECT_THAT(said, HasSubstr("no price is known"));
  EXPECT_THAT(said, Not(HasSubstr("to do")));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, NamesTheOneForTheOtherKindOfDefinition) {
  const std::string pretraining = file("slow.toml", "[training]\nsteps = 3\n");
  for (const std::string command : {"sweep", "plan"}) {
    EXPECT_EQ(run({command, pretraining, "--out", folder / "out"}), 2);
    EXPECT_THAT(said, HasSubstr("slow.toml: this is a pretraining definition. Write: palimpsest pretrain"));
  }
  EXPECT_EQ(run({"pretrain", sweep(), "--out", folder / "out"}), 2);
  EXPECT_THAT(said, HasSubstr("sweep.toml: this is the definition of a sweep. Write: palimpsest sweep"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, ThatIsWrongPointsToItsOwnHelp) {
  EXPECT_EQ(run({"sweep"}), 2);
  EXPECT_THAT(said, HasSubstr("Try: palimpsest sweep --help\n"));
  EXPECT_EQ(run({"weights", "import"}), 2);
  EXPECT_THAT(said, HasSubstr("Try: palimpsest weights import --help\n"));
  EXPECT_EQ(run({}), 2);
  EXPECT_THAT(said, HasSubstr("Try: palimpsest --help\n"));
}

TEST_F(ACommand, ThatIsNotForPeopleIsNotSuggested) {
  EXPECT_EQ(run({"peers"}), 2);
  EXPECT_THAT(said, Not(HasSubstr("peer?")));
  EXPECT_EQ(run({"swep"}), 2);
  EXPECT_THAT(said, HasSubstr("Did you mean sweep?"));
}

TEST_F(ACommand, LooksAtImagesBeforeItTrainsARunAgainForThem) {
  EXPECT_EQ(run({"features", folder / "no-results", "--run", "0", "--images", folder / "nowhere", "--out", folder / "f"}), 2);
  EXPECT_THAT(said, HasSubstr("nowhere"));
}

TEST_F(ACommand, TellsOfSharedOptionsAsTheOthersDo) {
  for (const std::string option : {"FILE", "--set"}) {
    EXPECT_EQ(help_of("plan", "  " + option), help_of("sweep", "  " + option));
    EXPECT_THAT(help_of("pretrain", "  " + option), HasSubstr(option == "FILE" ? "TOML REQUIRED" : "KEY=VALUE"));
  }
  for (const char* command : {"plan", "sweep", "pretrain"}) EXPECT_THAT(help_of(command, "--out"), HasSubstr("DIR"));
  EXPECT_THAT(help_of("launch", "Usage"), HasSubstr("palimpsest launch [OPTIONS] COMMAND..."));
  EXPECT_THAT(help_of("features", "--normalise"), HasSubstr("NAME:{clip,imagenet,none}"));
}

TEST_F(ACommand, OverRanksIsCheckedByLaunchBeforeAnyRankIsStarted) {
  const std::string wrong = file("wrong.toml", "study = \"planted\"\nname = \"x\"\nplanted.effct = 1\n");
  const std::vector<std::string> no_host = {"launch", "--hosts", file("hosts", "no-such-host.invalid slots=1\n"), "sweep"};
  const auto launched = [&](std::vector<std::string> more) {
    auto words = no_host;
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  EXPECT_EQ(launched({wrong, "--out", folder / "out"}), 2);
  EXPECT_THAT(said, HasSubstr("wrong.toml:3:9"));
  EXPECT_THAT(said, Not(HasSubstr("no-such-host")));
  EXPECT_EQ(launched({sweep(), "--out", folder / "out", "--set", "planted.nonsense=1"}), 2);
  EXPECT_THAT(said, HasSubstr("planted.nonsense"));
  EXPECT_THAT(said, Not(HasSubstr("no-such-host")));
  EXPECT_EQ(launched({sweep()}), 2);
  EXPECT_THAT(said, HasSubstr("--out"));
  EXPECT_THAT(said, Not(HasSubstr("..")));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

// With an MPI that is not there: no rank can have said it.
TEST_F(ACommand, OverRanksNeedsItsImagesBeforeAnyRankIsStarted) {
  const std::string pretraining = file("slow.toml", "[images]\nsource = \"folder\"\npath = \"photos\"\n"),
                    sweep = file("sweep.toml", "study = \"familiarity\"\nname = \"x\"\n[slow]\nweights = \"slow.toml\"\n[images]\nsource = \"shards\"\npath = \"photos\"\n");
  const auto launched = [&](const std::string& command, const std::string& definition) {
    return run({"launch", "--prefix", folder / "no-mpi", "-n", "1", command, definition, "--out", folder / "out"});
  };
  EXPECT_EQ(launched("pretrain", pretraining), 2);
  EXPECT_EQ(said, "palimpsest: " + (folder / "photos").string() + ": there is no such folder. Check the path.\n");
  EXPECT_EQ(launched("sweep", sweep), 2);
  EXPECT_EQ(said, "palimpsest: " + (folder / "photos").string() + ": there are no shards. Name a folder of .tar files, one of them, or name-{000000..000009}.tar.\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, OverRanksLooksForNoMoreImagesThanEveryRunNeeds) {
  std::filesystem::create_directory(folder / "photos");
  std::filesystem::copy(PALIMPSEST_TEST_IMAGE, folder / "photos" / "a.png");
  const auto said_of = [&](const std::string& swept) {
    file("slow.toml", "");
    run({"launch", "--prefix", folder / "no-mpi", "-n", "1", "sweep", file("sweep.toml", "study = \"familiarity\"\nname = \"x\"\n[slow]\nweights = \"slow.toml\"\n[images]\nsource = \"folder\"\npath = \"photos\"\n" + swept), "--out", folder / "out"});
    return said;
  };
  EXPECT_THAT(said_of("total = 5\n"), HasSubstr("images.total asks for 5"));
  EXPECT_THAT(said_of("[sweep.grid]\n\"images.total\" = [5, 1]\n"), HasSubstr("no-mpi/bin/mpirun"));
  EXPECT_THAT(said_of("total = 5\n[[sweep.zip]]\n\"images.total\" = [1, 0]\n"), HasSubstr("no-mpi/bin/mpirun"));
  file("photos/b.png", "text");
  EXPECT_THAT(said_of(""), HasSubstr("b.png"));
  EXPECT_THAT(said_of("[sweep.grid]\n\"images.unreadable\" = [\"refuse\", \"skip\"]\n"), HasSubstr("no-mpi/bin/mpirun"));
}

TEST_F(ACommand, OverSeveralHostsTellsWhichOfThemHaveNoImages) {
  const std::string pretraining = file("slow.toml", "[images]\nsource = \"folder\"\npath = \"photos\"\n"), hosts = file("hosts", "localhost slots=1\nother slots=1\n");
  EXPECT_EQ(run({"launch", "--hosts", hosts, "--shell", "false", "pretrain", pretraining, "--out", folder / "out"}), 2);
  EXPECT_THAT(said, HasSubstr("on localhost: " + (folder / "photos").string() + ": there is no such folder"));
  EXPECT_EQ(run({"launch", "--hosts", hosts, "--no-check", "pretrain", pretraining, "--out", folder / "out"}), 2);
  EXPECT_THAT(said, HasSubstr("palimpsest: " + (folder / "photos").string() + ": there is no such folder"));
}

TEST_F(ACommand, OverHostsWithMoreSlotsThanCoresIsRefusedUnlessThatIsAskedFor) {
  const std::string hosts = file("hosts", "localhost slots=100000\n");
  for (const std::vector<std::string>& look : {std::vector<std::string>{"launch", "--check"}, {"launch"}}) {
    auto words = look;
    words.insert(words.end(), {"--hosts", hosts, "sweep", sweep(), "--out", folder / "out"});
    EXPECT_EQ(run(words), 2);
    EXPECT_THAT(said, HasSubstr("for 100000 ranks: more ranks than cores slow each other down. Write as many slots as it has cores, or --oversubscribe"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, OfLaunchIsRefusedInOurWordsWhereMpirunWouldSayItInItsOwn) {
  if (std::getenv("SLURM_JOB_ID")) GTEST_SKIP() << "within an allocation of Slurm srun is as good as mpirun";
  const auto launched = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "launch");
    words.insert(words.end(), {"sweep", sweep(), "--out", folder / "out"});
    return run(words);
  };
  EXPECT_EQ(launched({"-n", "1", "--network", "10"}), 2);
  EXPECT_EQ(said, "palimpsest: --network 10: this is no network. Write it as 10.0.0.0/24.\n");
  EXPECT_EQ(launched({"-n", "1", "--starter", "srun"}), 2);
  EXPECT_THAT(said, HasSubstr("--starter srun: this is no allocation of Slurm."));
  EXPECT_EQ(launched({"-n", "1", "--prefix", "/nowhere"}), 2);
  EXPECT_EQ(said, "palimpsest: --prefix /nowhere: there is no /nowhere/bin/mpirun. Name the folder of an Open MPI, or leave --prefix out.\n");
  EXPECT_EQ(launched({"-n", "1", "--network", "10.0.0.0/99"}), 2);
  EXPECT_EQ(launched({"-n", "x"}), 2);
  EXPECT_THAT(said, HasSubstr("-n = x: this is no number, or none that fits here."));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, ThatIsNotAllNamesWhatMayFollow) {
  EXPECT_EQ(run({"ledger"}), 2);
  EXPECT_THAT(said, HasSubstr("palimpsest ledger is not all: say which of check, salvage."));
}

TEST_F(ACommand, SaysOfAPlaceThatItMayNotSeeWhatToDo) {
  std::filesystem::create_directories(folder / "closed" / "out");
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::none);
  EXPECT_EQ(Process(palimpsest_command(0, {"status", folder / "closed" / "out"}), folder / "said", {{}, true, 0}).wait(), 2);
  EXPECT_THAT(read_file(folder / "said"), HasSubstr("Permission denied. Check the path and its permissions."));
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::owner_all);
}

TEST_F(ACommand, RefusesAFileForABackupBeforeItWritesAnything) {
  EXPECT_EQ(run({"sweep", sweep(), "--out", folder / "out", "--backup", sweep()}), 2);
  EXPECT_THAT(said, HasSubstr("sweep.toml is no folder"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, ThatTrainsLeavesNoFolderWhereThereAreNoImages) {
  const std::string definition = file("slow.toml", "[images]\nsource = \"folder\"\npath = \"photos\"\n");
  EXPECT_EQ(run({"pretrain", definition, "--out", folder / "out"}), 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, ThatTrainsRefusesAFolderForItsTimelineBeforeItTrains) {
  const std::string definition = file("slow.toml", "[training]\nsteps = 1\n[images]\ntotal = 16\n");
  EXPECT_EQ(run({"pretrain", definition, "--out", folder / "out", "--timeline", folder.path()}), 2);
  EXPECT_THAT(said, HasSubstr("is a folder, and a file is to be written there. Name a file."));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(ACommand, RefusesTheFolderOfTheOtherKindOfResults) {
  const std::string pretraining = file("slow.toml", "[training]\nsteps = 1\n[images]\ntotal = 16\n");
  std::filesystem::create_directories(folder / "slow" / "checkpoints");
  file("slow/losses.csv", "step,loss\n");
  for (const std::string command : {"sweep", "plan"}) {
    EXPECT_EQ(run({command, sweep(), "--out", folder / "slow"}), 2);
    EXPECT_THAT(said, HasSubstr("slow holds the results of a pretraining (losses.csv and checkpoints). Give another folder to --out"));
  }
  EXPECT_EQ(run({"launch", "--prefix", folder / "no-mpi", "-n", "1", "sweep", sweep(), "--out", folder / "slow"}), 2);
  EXPECT_THAT(said, HasSubstr("slow holds the results of a pretraining"));
  EXPECT_FALSE(std::filesystem::exists(folder / "slow" / "ledger.sqlite"));

  EXPECT_EQ(run({"sweep", sweep(), "--out", folder / "swept", "--set", "sweep.image_sets=1"}), 0);
  EXPECT_EQ(run({"pretrain", pretraining, "--out", folder / "swept"}), 2);
  EXPECT_THAT(said, HasSubstr("swept holds the results of a sweep (ledger.sqlite). Give another folder to --out; to go on with that sweep, write palimpsest sweep."));
  EXPECT_FALSE(std::filesystem::exists(folder / "swept" / "losses.csv"));
}

TEST_F(ACommand, CountsAllRunsInItsLastLine) {
  EXPECT_EQ(run({"sweep", sweep(), "--out", folder / "out", "--set", "sweep.image_sets=3"}), 0);
  EXPECT_THAT(said, HasSubstr("sweep  3/3 runs"));
}

TEST_F(ACommand, RefusesAFolderOfImagesThatNobodyWouldRead) {
  const std::string sweep = file("sweep.toml", "study = \"circuit\"\nname = \"x\"\n"), pretraining = file("slow.toml", "[training]\nsteps = 1\n");
  EXPECT_EQ(run({"plan", sweep, "--set", "images.path=photos"}), 2);
  EXPECT_THAT(said, HasSubstr("photos\" would not be read, since images.source = \"dead-leaves\". Write images.source = \"folder\""));
  EXPECT_EQ(run({"plan", file("zip.toml", "study = \"circuit\"\nname = \"x\"\n[[sweep.zip]]\n\"images.path\" = [\"one\", \"other\"]\n")}), 2);
  EXPECT_THAT(said, HasSubstr("one\" would not be read"));
  EXPECT_EQ(run({"pretrain", pretraining, "--out", folder / "out", "--set", "images.masks=masks"}), 2);
  EXPECT_THAT(said, HasSubstr("masks\" would not be read"));
  EXPECT_EQ(run({"pretrain", pretraining, "--out", folder / "out", "--set", "validation.path=photos"}), 2);
  EXPECT_THAT(said, HasSubstr("validation.source = \"held-out\""));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace palimpsest
